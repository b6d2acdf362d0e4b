/*
 * The codecs of Engine.IO and Socket.IO as a filter: a question a line, fields
 * in hexadecimal with blanks between, an answer a line.  Asked by
 * tests/e2e/33_vectors, which knows the captured packets and their meaning.
 *
 *	D packet	"bad eio", "bad sio", "eio TYPE BYTES", "connect NSP
 *			DATA", "empty" (nobody makes anything of it), or
 *			"sio PACKET": encoded again from what was decoded
 *	S payload	its packets
 *	O sid upgrades interval timeout max
 *			the open packet
 *	C nsp sid pid	the reply to CONNECT
 *	X nsp message data
 *			CONNECT_ERROR
 *	E nsp event args nattach
 *			an event
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bug.h"
#include "base/digest.h"
#include "proto/eio.h"
#include "proto/sio.h"

#define FIELDS_MAX	6

static struct buf out;
static uint8_t *field[FIELDS_MAX];	/* each followed by NUL */
static size_t field_n[FIELDS_MAX];

static void
say_hex(struct slice s)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		printf("%02x", s.p[i]);
}

static struct slice
arg(unsigned i)
{
	return (slice_of(field[i], field_n[i]));
}

static const char *
text(unsigned i)
{
	return ((const char *)field[i]);
}

static uint64_t
number(unsigned i)
{
	return (strtoull(text(i), NULL, 10));
}

/* Over itself; the next field, or NULL. */
static char *
take_field(char *p, unsigned i)
{
	uint8_t *to = (uint8_t *)p;
	unsigned byte;

	field[i] = to;
	for (; sscanf(p, "%2x", &byte) == 1 && *p != ' '; p += 2)
		*to++ = (uint8_t)byte;
	field_n[i] = (size_t)(to - field[i]);
	p = *p == ' ' ? p + 1 : NULL;
	*to = '\0';
	return (p);
}

/* --- packets -------------------------------------------------------------- */

static void
put_event(const struct sio_event *e)
{
	MUST(buf_reserve(&out, sio_event_size(e)));
	MUST(sio_event_put(out.data + out.wpos, e) == out.data + out.wpos +
	    sio_event_size(e));
	out.wpos += sio_event_size(e);
}

static void
again(const struct sio_packet *p)
{
	switch (p->type) {
	case SIO_DISCONNECT:
		sio_encode_disconnect(&out, p->nsp);
		break;
	case SIO_ACK:
	case SIO_BINARY_ACK:
		sio_encode_ack(&out, p->nsp, p->id, p->args, p->nattach);
		break;
	case SIO_EVENT:
	case SIO_BINARY_EVENT:
		put_event(&(struct sio_event){ .nsp = p->nsp,
		    .has_id = p->has_id, .id = p->id, .event = p->event,
		    .args = p->args, .nattach = p->nattach });
		break;
	case SIO_CONNECT:
	case SIO_CONNECT_ERROR:
		break;
	}
}

static void
message(struct slice in)
{
	struct sio_packet p;

	if (sio_decode(in, &p) < 0) {
		printf("bad sio");
	} else if (p.empty || (!p.has_id && (p.type == SIO_ACK ||
	    p.type == SIO_BINARY_ACK))) {
		printf("empty");
	} else if (p.type == SIO_CONNECT) {
		printf("connect ");
		say_hex(p.nsp);
		printf(" ");
		say_hex(p.data);
	} else {
		again(&p);
		printf("sio ");
		say_hex(buf_unread(&out));
	}
}

static void
decode(void)
{
	struct eio_packet p;
	ssize_t n;

	if (eio_decode(arg(0), &p) < 0) {
		printf("bad eio");
		return;
	}
	if (p.type == EIO_MESSAGE) {
		message(p.data);
		return;
	}
	if (p.type == EIO_BINARY) {
		MUST(buf_reserve(&out, p.data.n + 3));
		n = digest_base64_decode(p.data, out.data);
		if (n < 0) {
			printf("bad eio");
			return;
		}
		p.data = slice_of(out.data, (size_t)n);
	}
	printf("eio %c ", p.type);
	say_hex(p.data);
}

static void
split(void)
{
	struct eio_payload it = { .rest = arg(0) };
	struct slice packet;
	const char *blank = "";

	while (eio_payload_next(&it, &packet)) {
		printf("%s", blank);
		say_hex(packet);
		blank = " ";
	}
}

/* --- what only servers say ------------------------------------------------ */

static void
encode(char what)
{
	switch (what) {
	case 'O':
		eio_encode_open(&out, &(struct eio_open){ .sid = text(0),
		    .upgrades = number(1) != 0, .ping_interval_ms = number(2),
		    .ping_timeout_ms = number(3), .max_payload = number(4) });
		break;
	case 'C':
		sio_encode_connect(&out, arg(0), arg(1), arg(2));
		break;
	case 'X':
		sio_encode_connect_error(&out, arg(0), arg(1), arg(2));
		break;
	case 'E':
		put_event(&(struct sio_event){ .nsp = arg(0), .event = arg(1),
		    .args = arg(2), .nattach = (unsigned)number(3) });
		break;
	default:
		break;
	}
	say_hex(buf_unread(&out));
}

int
main(void)
{
	char *line = NULL, *p;
	size_t cap = 0;
	unsigned i;

	buf_init(&out);
	while (getline(&line, &cap, stdin) > 0) {
		line[strcspn(line, "\n")] = '\0';
		memset(field_n, 0, sizeof field_n);
		p = line[0] != '\0' && line[1] == ' ' ? line + 2 : NULL;
		for (i = 0; p != NULL && i < FIELDS_MAX; i++)
			p = take_field(p, i);
		buf_reset(&out);
		if (line[0] == 'D')
			decode();
		else if (line[0] == 'S')
			split();
		else
			encode(line[0]);
		printf("\n");
	}
	free(line);
	buf_fini(&out);
	return (0);
}
