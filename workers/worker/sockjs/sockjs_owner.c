/*
 * Who has a session of SockJS; see sockjs.h.
 */
#include "base/digest.h"
#include "base/slotset.h"
#include "shm/count.h"
#include "worker/http/admit.h"
#include "worker/http/pass.h"
#include "worker/http/reply.h"
#include "worker/net/parcel.h"
#include "worker/sockjs/sockjs_int.h"
#include "worker/worker.h"

/* None of the parts but the last has a zero byte, which stands behind each. */
void
sockjs_owner_key(struct request *rq, struct slice base, struct slice id,
    uint8_t key[SOCKJS_KEY])
{
	const struct slice parts[] = { base, slice_of("", 1), id,
		slice_of("", 1), admit_token(rq) };
	uint8_t digest[32];

	digest_hmac_sha256(SLICE("SockJS"), parts, nitems(parts), digest);
	memcpy(key, digest, SOCKJS_KEY);
}

unsigned
sockjs_owner(const struct worker *w, const uint8_t key[SOCKJS_KEY])
{
	uint64_t bits[SLOTSET_WORDS];
	unsigned slot;

	count_who(w->count, COUNT_SOCKJS, slice_of(key, SOCKJS_KEY), bits);
	while ((slot = slotset_take(bits)) != 0)
		if (slot != (unsigned)w->h->slot && parcel_reaches(w, slot))
			return (slot);
	return (0);
}

bool
sockjs_owner_pass(struct request *rq, const uint8_t key[SOCKJS_KEY])
{
	unsigned slot = sockjs_owner(rq->w, key);

	if (slot == 0)
		return (false);
	pass_request(rq, slot, false, COUNTER_sockjs_forwarded);
	return (true);
}

bool
sockjs_owner_claim(struct request *rq, const uint8_t key[SOCKJS_KEY],
    uint32_t *node)
{
	if (!count_enter_key(rq->w->count, COUNT_SOCKJS,
	    slice_of(key, SOCKJS_KEY), 1, node)) {
		/* another one has just opened it */
		rq->later = true;
		return (false);
	}
	if (*node != 0)
		return (true);
	rq->keep_alive = false;
	reply_error(rq, 503, "unavailable", "too many sessions");
	return (false);
}
