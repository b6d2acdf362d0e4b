/* Keys in each form, signatures of each kind, and what must not pass. */
#include "base/key/pkey.h"

#include <openssl/err.h>
#include <openssl/rsa.h>

#include "tests/lib/check.h"
#include "tests/lib/signer.h"

enum { RSA2048, P256, P384, P521, ED25519, NKEYS };

static EVP_PKEY *keys[NKEYS];
static const enum pkey_type types[NKEYS] = {
	PKEY_RSA, PKEY_P256, PKEY_P384, PKEY_P521, PKEY_ED25519
};

static const struct kind {
	int		 key;
	enum pkey_scheme scheme;
	enum pkey_digest digest;
} kinds[] = {
	{ RSA2048, PKEY_PKCS1, PKEY_SHA256 },
	{ RSA2048, PKEY_PKCS1, PKEY_SHA384 },
	{ RSA2048, PKEY_PKCS1, PKEY_SHA512 },
	{ RSA2048, PKEY_PSS, PKEY_SHA256 },
	{ RSA2048, PKEY_PSS, PKEY_SHA384 },
	{ RSA2048, PKEY_PSS, PKEY_SHA512 },
	{ P256, PKEY_ECDSA, PKEY_SHA256 },
	{ P384, PKEY_ECDSA, PKEY_SHA384 },
	{ P521, PKEY_ECDSA, PKEY_SHA512 },
	{ ED25519, PKEY_EDDSA, PKEY_SHA512 },
};

#define DATA	SLICE("header.payload")
#define SECRET	SLICE("0123456789abcdef0123456789abcdef")

static int
make_keys(void **state)
{
	(void)state;
	keys[RSA2048] = signer_rsa(2048);
	keys[P256] = signer_ec("P-256");
	keys[P384] = signer_ec("P-384");
	keys[P521] = signer_ec("P-521");
	keys[ED25519] = signer_new("ED25519");
	return (0);
}

static int
free_keys(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < NKEYS; i++)
		EVP_PKEY_free(keys[i]);
	return (0);
}

/* The public half, by way of some text form. */
static struct pkey *
load_as(EVP_PKEY *key, void (*form)(EVP_PKEY *, struct buf *))
{
	const char *why = "nothing";
	struct pkey *k;
	struct buf b;

	buf_init(&b);
	form(key, &b);
	k = pkey_pem(buf_unread(&b), &why);
	if (k == NULL)
		print_error("%s\n", why);
	assert_non_null(k);
	buf_fini(&b);
	return (k);
}

static bool
verifies(const struct pkey *k, const struct kind *kind, struct slice sig)
{
	return (pkey_verify(k, kind->scheme, kind->digest, DATA, sig));
}

static void
every_scheme_verifies_its_own_signature(void **state)
{
	uint8_t sig[SIGNER_MAX];
	const struct kind *kind;
	struct pkey *k;
	size_t i, n;

	(void)state;
	for (i = 0; i < nitems(kinds); i++) {
		kind = &kinds[i];
		k = load_as(keys[kind->key], signer_pem);
		assert_int_equal(pkey_type(k), types[kind->key]);
		n = signer_sign(keys[kind->key], kind->scheme, kind->digest,
		    RSA_PSS_SALTLEN_DIGEST, DATA, sig);
		assert_true(verifies(k, kind, slice_of(sig, n)));
		assert_false(pkey_verify(k, kind->scheme, kind->digest,
		    SLICE("header.payloae"), slice_of(sig, n)));
		assert_false(pkey_verify(k, kind->scheme, kind->digest,
		    SLICE(""), slice_of(sig, n)));
		pkey_free(&k);
		assert_null(k);
	}
}

/* One signature in 256 begins with a zero: without it it is the same number. */
static void
a_signature_of_rsa_has_the_length_of_its_modulus(void **state)
{
	static const enum pkey_scheme schemes[] = { PKEY_PKCS1, PKEY_PSS };
	uint8_t sig[SIGNER_MAX];
	struct slice data;
	char text[16];
	struct pkey *k = load_as(keys[RSA2048], signer_pem);
	size_t i, n;
	unsigned t;

	(void)state;
	for (i = 0; i < nitems(schemes); i++) {
		t = 0;
		do {
			snprintf(text, sizeof text, "%u", t++);
			data = slice_str(text);
			n = signer_sign(keys[RSA2048], schemes[i], PKEY_SHA256,
			    RSA_PSS_SALTLEN_DIGEST, data, sig);
			assert_true(n > 0 && t < 100000);
		} while (sig[0] != 0);
		assert_true(pkey_verify(k, schemes[i], PKEY_SHA256, data,
		    slice_of(sig, n)));
		assert_false(pkey_verify(k, schemes[i], PKEY_SHA256, data,
		    slice_of(sig + 1, n - 1)));
	}
	pkey_free(&k);
}

static void
a_changed_signature_never_verifies(void **state)
{
	uint8_t sig[SIGNER_MAX + 1];
	const struct kind *kind;
	struct pkey *k;
	size_t i, j, n;

	(void)state;
	for (i = 0; i < nitems(kinds); i++) {
		kind = &kinds[i];
		k = load_as(keys[kind->key], signer_pem);
		n = signer_sign(keys[kind->key], kind->scheme, kind->digest,
		    RSA_PSS_SALTLEN_DIGEST, DATA, sig);
		for (j = 0; j < n; j++) {
			sig[j] ^= 1;
			assert_false(verifies(k, kind, slice_of(sig, n)));
			sig[j] ^= 1;
		}
		sig[n] = 0;
		assert_false(verifies(k, kind, slice_of(sig, n + 1)));
		assert_false(verifies(k, kind, slice_of(sig, n - 1)));
		assert_false(verifies(k, kind, slice_of(sig + 1, n - 1)));
		assert_false(verifies(k, kind, slice_of(sig, 0)));
		assert_false(verifies(k, kind, slice_of(NULL, 0)));
		memset(sig, 0, n);
		assert_false(verifies(k, kind, slice_of(sig, n)));
		memset(sig, 0xff, n);
		assert_false(verifies(k, kind, slice_of(sig, n)));
		pkey_free(&k);
	}
}

static void
a_key_serves_only_its_own_kind(void **state)
{
	static const enum pkey_digest digests[] = {
		PKEY_SHA256, PKEY_SHA384, PKEY_SHA512
	};
	static const enum pkey_scheme schemes[] = {
		PKEY_HMAC, PKEY_PKCS1, PKEY_PSS, PKEY_ECDSA, PKEY_EDDSA
	};
	uint8_t sig[132] = { 1 };
	struct pkey *k;
	size_t i, s, d, j;
	bool mine;

	(void)state;
	for (i = 0; i < NKEYS; i++) {
		k = load_as(keys[i], signer_pem);
		for (s = 0; s < nitems(schemes); s++)
			for (d = 0; d < nitems(digests); d++) {
				mine = schemes[s] == PKEY_EDDSA && i == ED25519;
				for (j = 0; j < nitems(kinds); j++)
					mine |= kinds[j].key == (int)i &&
					    kinds[j].scheme == schemes[s] &&
					    kinds[j].digest == digests[d];
				assert_int_equal(pkey_serves(k, schemes[s],
				    digests[d]), mine);
				assert_false(pkey_verify(k, schemes[s],
				    digests[d], DATA, slice_of(sig, 64)));
			}
		assert_int_equal(pkey_hmac(k, PKEY_SHA256, DATA, sig), 0);
		pkey_free(&k);
	}
}

static void
a_secret_serves_hmac_alone(void **state)
{
	struct pkey *k;
	const char *why;
	size_t i;

	(void)state;
	k = pkey_secret(SECRET, &why);
	assert_non_null(k);
	assert_int_equal(pkey_type(k), PKEY_SECRET);
	assert_true(pkey_serves(k, PKEY_HMAC, PKEY_SHA256));
	assert_true(pkey_serves(k, PKEY_HMAC, PKEY_SHA384));
	assert_true(pkey_serves(k, PKEY_HMAC, PKEY_SHA512));
	for (i = 0; i < nitems(kinds); i++)
		assert_false(pkey_serves(k, kinds[i].scheme, kinds[i].digest));
	pkey_free(&k);
}

/* RFC 4231, 4.7 */
static void
hmac_gives_the_values_of_rfc_4231(void **state)
{
	static const struct {
		enum pkey_digest digest;
		size_t		 n;
		uint8_t		 first[8];
	} want[] = {
		{ PKEY_SHA256, 32,
		    { 0x60, 0xe4, 0x31, 0x59, 0x1e, 0xe0, 0xb6, 0x7f } },
		{ PKEY_SHA384, 48,
		    { 0x4e, 0xce, 0x08, 0x44, 0x85, 0x81, 0x3e, 0x90 } },
		{ PKEY_SHA512, 64,
		    { 0x80, 0xb2, 0x42, 0x63, 0xc7, 0xc1, 0xa3, 0xeb } },
	};
	struct slice data = SLICE("Test Using Larger Than Block-Size Key - "
	    "Hash Key First");
	uint8_t secret[131], mac[PKEY_HMAC_MAX];
	struct pkey *k;
	const char *why;
	size_t i, j;

	(void)state;
	memset(secret, 0xaa, sizeof secret);
	k = pkey_secret(slice_of(secret, sizeof secret), &why);
	assert_non_null(k);
	memset(secret, 0, sizeof secret);	/* nothing is kept of it */
	for (i = 0; i < nitems(want); i++) {
		assert_int_equal(pkey_hmac(k, want[i].digest, data, mac),
		    want[i].n);
		assert_memory_equal(mac, want[i].first, 8);
		assert_true(pkey_verify(k, PKEY_HMAC, want[i].digest, data,
		    slice_of(mac, want[i].n)));
		for (j = 0; j < want[i].n; j++) {
			assert_false(pkey_verify(k, PKEY_HMAC, want[i].digest,
			    data, slice_of(mac, j)));
			mac[j] ^= 0x80;
			assert_false(pkey_verify(k, PKEY_HMAC, want[i].digest,
			    data, slice_of(mac, want[i].n)));
			mac[j] ^= 0x80;
		}
	}
	pkey_free(&k);
}

static void
refuse_secret(struct slice secret)
{
	const char *why = NULL;

	assert_null(pkey_secret(secret, &why));
	assert_non_null(why);
}

static void
secrets_are_long_and_no_keys(void **state)
{
	struct buf b;
	int i;

	(void)state;
	refuse_secret(slice_of(NULL, 0));
	refuse_secret(slice_of(SECRET.p, 31));
	refuse_secret(SLICE("ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQC7 me"));
	refuse_secret(SLICE("ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbm"));
	buf_init(&b);
	for (i = 0; i < NKEYS; i++) {
		signer_pem(keys[i], &b);
		refuse_secret(buf_unread(&b));
		buf_reset(&b);
		signer_der(keys[i], &b);
		refuse_secret(buf_unread(&b));
		buf_reset(&b);
		signer_cert(keys[i], &b);
		refuse_secret(buf_unread(&b));
		buf_reset(&b);
		signer_private_pem(keys[i], NULL, &b);
		refuse_secret(buf_unread(&b));
		buf_reset(&b);
	}
	buf_fini(&b);
}

/* A signature by key verifies with k, which is freed. */
static void
check_is_key(struct pkey *k, int key)
{
	uint8_t sig[SIGNER_MAX];
	size_t i, n;

	assert_non_null(k);
	assert_int_equal(pkey_type(k), types[key]);
	for (i = 0; i < nitems(kinds); i++) {
		if (kinds[i].key != key)
			continue;
		n = signer_sign(keys[key], kinds[i].scheme, kinds[i].digest,
		    RSA_PSS_SALTLEN_DIGEST, DATA, sig);
		assert_true(verifies(k, &kinds[i], slice_of(sig, n)));
	}
	pkey_free(&k);
}

static void
certificates_and_pkcs1_are_public_keys_too(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < NKEYS; i++)
		check_is_key(load_as(keys[i], signer_cert), i);
	check_is_key(load_as(keys[RSA2048], signer_pkcs1), RSA2048);
}

static void
refuse_pem(struct slice pem, const char *want)
{
	const char *why = NULL;

	assert_null(pkey_pem(pem, &why));
	assert_non_null(why);
	if (want != NULL)
		assert_string_equal(why, want);
}

static void
pem_that_is_no_public_key_is_refused(void **state)
{
	static const char private[] =
	    "PEM text holds a private key: give the public one";
	struct slice whole;
	struct buf b;
	size_t n;

	(void)state;
	refuse_pem(slice_of(NULL, 0), NULL);
	refuse_pem(SLICE("secret"), NULL);
	refuse_pem(SLICE("-----BEGIN CERTIFICATE-----"), NULL);
	refuse_pem(SLICE("-----BEGIN PUBLIC KEY-----\nAAAA\n"
	    "-----END PUBLIC KEY-----\n"), NULL);
	buf_init(&b);
	signer_private_pem(keys[P256], NULL, &b);
	refuse_pem(buf_unread(&b), private);
	buf_reset(&b);
	signer_private_pem(keys[P256], "passphrase", &b);
	refuse_pem(buf_unread(&b), private);
	buf_reset(&b);
	signer_cert(keys[P256], &b);
	whole = buf_unread(&b);
	for (n = 0; n < whole.n - 2; n++)
		refuse_pem(slice_of(whole.p, n), NULL);
	buf_fini(&b);
}

static void
refuse_key(EVP_PKEY *key, const char *want)
{
	struct buf b;

	buf_init(&b);
	signer_pem(key, &b);
	refuse_pem(buf_unread(&b), want);
	buf_fini(&b);
	EVP_PKEY_free(key);
}

static void
weak_and_unknown_keys_are_refused(void **state)
{
	static const char curve[] = "EC key is not on P-256, P-384 or P-521";
	static const char type[] = "key is not RSA, EC or Ed25519";

	(void)state;
	refuse_key(signer_rsa(512), "RSA key has fewer than 2048 bits");
	refuse_key(signer_rsa(1024), "RSA key has fewer than 2048 bits");
	refuse_key(signer_ec("secp224r1"), curve);
	refuse_key(signer_ec("secp256k1"), curve);
	refuse_key(signer_new("X25519"), type);
	refuse_key(signer_new("ED448"), type);
}

static void
rsa_numbers_make_the_same_key(void **state)
{
	uint8_t n[1 + SIGNER_MAX], e[SIGNER_MAX];
	struct slice sn, se;
	const char *why;

	(void)state;
	n[0] = 0;		/* a leading zero does no harm */
	sn = slice_of(n, 1 + signer_number(keys[RSA2048], "n", n + 1));
	se = slice_of(e, signer_number(keys[RSA2048], "e", e));
	check_is_key(pkey_rsa(sn, se, &why), RSA2048);
	check_is_key(pkey_rsa(slice_from(sn, 1), se, &why), RSA2048);
}

static void
odd_rsa_numbers_are_refused(void **state)
{
	uint8_t n[SIGNER_MAX + 2];
	struct slice sn, e = SLICE("\x01\x00\x01");
	const char *why;

	(void)state;
	sn = slice_of(n, signer_number(keys[RSA2048], "n", n));
	assert_null(pkey_rsa(slice_of(NULL, 0), e, &why));
	assert_null(pkey_rsa(sn, slice_of(NULL, 0), &why));
	assert_null(pkey_rsa(sn, SLICE("\x01"), &why));	/* signs nothing */
	assert_null(pkey_rsa(sn, SLICE("\x00"), &why));
	assert_null(pkey_rsa(sn, SLICE("\x02"), &why));
	assert_null(pkey_rsa(slice_of(sn.p, 255), e, &why));
	n[255] &= 0xfe;					/* even */
	assert_null(pkey_rsa(sn, e, &why));
	memset(n, 0xff, sizeof n);
	assert_null(pkey_rsa(slice_of(n, SIGNER_MAX + 1), e, &why));
}

static void
ec_numbers_make_the_same_key(void **state)
{
	uint8_t x[SIGNER_MAX], y[SIGNER_MAX];
	struct slice sx, sy;
	const char *why;
	int i;

	(void)state;
	for (i = P256; i <= P521; i++) {
		sx = slice_of(x, signer_number(keys[i], "qx", x));
		sy = slice_of(y, signer_number(keys[i], "qy", y));
		check_is_key(pkey_ec(types[i], sx, sy, &why), i);
		assert_null(pkey_ec(types[i], sx, slice_from(sy, 1), &why));
		assert_null(pkey_ec(types[i], slice_from(sx, 1), sy, &why));
		assert_null(pkey_ec(types[i], sx, slice_of(NULL, 0), &why));
		y[sy.n - 1] ^= 1;		/* off the curve */
		assert_null(pkey_ec(types[i], sx, sy, &why));
		assert_string_equal(why, "EC point is not on its curve");
		memset(x, 0, sx.n);
		memset(y, 0, sy.n);
		assert_null(pkey_ec(types[i], sx, sy, &why));
		memset(x, 0xff, sx.n);
		assert_null(pkey_ec(types[i], sx, sy, &why));
	}
}

static void
ed25519_bytes_make_the_same_key(void **state)
{
	uint8_t x[SIGNER_MAX];
	struct slice sx = slice_of(x, signer_number(keys[ED25519], "pub", x));
	const char *why;

	(void)state;
	check_is_key(pkey_ed25519(sx, &why), ED25519);
	assert_null(pkey_ed25519(slice_from(sx, 1), &why));
	assert_null(pkey_ed25519(slice_of(x, 33), &why));
	assert_null(pkey_ed25519(slice_of(NULL, 0), &why));
}

/* r and s of every length, with the top bit set and not. */
static void
ecdsa_numbers_of_any_length_verify(void **state)
{
	uint8_t sig[SIGNER_MAX], data[2];
	bool high = false, low = false;
	struct pkey *k;
	unsigned i;
	size_t n;

	(void)state;
	k = load_as(keys[P256], signer_pem);
	for (i = 0; i < 4096 && !(high && low && i >= 64); i++) {
		data[0] = (uint8_t)(i >> 8);
		data[1] = (uint8_t)i;
		n = signer_sign(keys[P256], PKEY_ECDSA, PKEY_SHA256, 0,
		    slice_of(data, 2), sig);
		assert_int_equal(n, 64);
		high |= sig[0] >= 0x80;
		low |= sig[0] == 0 || sig[32] == 0;
		assert_true(pkey_verify(k, PKEY_ECDSA, PKEY_SHA256,
		    slice_of(data, 2), slice_of(sig, n)));
	}
	assert_true(high && low);
	pkey_free(&k);
}

/* SEC 2: the order of P-256 */
static const uint8_t order[32] = {
	0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00,
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84,
	0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51
};

static void
ecdsa_numbers_out_of_range_are_refused(void **state)
{
	static const uint8_t zero[32];
	uint8_t sig[SIGNER_MAX], bad[64];
	const struct kind *kind = &kinds[6];
	const uint8_t *half[] = { zero, order };
	struct pkey *k;
	size_t i, j;

	(void)state;
	k = load_as(keys[P256], signer_pem);
	assert_int_equal(signer_sign(keys[P256], PKEY_ECDSA, PKEY_SHA256, 0,
	    DATA, sig), 64);
	assert_true(verifies(k, kind, slice_of(sig, 64)));
	for (i = 0; i < 2; i++) {
		for (j = 0; j < 2; j++) {
			memcpy(bad, half[i], 32);
			memcpy(bad + 32, half[j], 32);
			assert_false(verifies(k, kind, slice_of(bad, 64)));
		}
		memcpy(bad, half[i], 32);
		memcpy(bad + 32, sig + 32, 32);
		assert_false(verifies(k, kind, slice_of(bad, 64)));
		memcpy(bad, sig, 32);
		memcpy(bad + 32, half[i], 32);
		assert_false(verifies(k, kind, slice_of(bad, 64)));
	}
	pkey_free(&k);
}

/* RFC 7518, 3.5: the salt is as long as the digest. */
static void
pss_salts_of_other_lengths_are_refused(void **state)
{
	static const int salts[] = { 0, 20, 31, 33, 64 };
	uint8_t sig[SIGNER_MAX];
	struct pkey *k;
	size_t i, n;

	(void)state;
	k = load_as(keys[RSA2048], signer_pem);
	for (i = 0; i < nitems(salts); i++) {
		n = signer_sign(keys[RSA2048], PKEY_PSS, PKEY_SHA256, salts[i],
		    DATA, sig);
		assert_false(pkey_verify(k, PKEY_PSS, PKEY_SHA256, DATA,
		    slice_of(sig, n)));
	}
	n = signer_sign(keys[RSA2048], PKEY_PKCS1, PKEY_SHA256, 0, DATA, sig);
	assert_false(pkey_verify(k, PKEY_PSS, PKEY_SHA256, DATA,
	    slice_of(sig, n)));
	assert_false(pkey_verify(k, PKEY_PKCS1, PKEY_SHA384, DATA,
	    slice_of(sig, n)));
	pkey_free(&k);
}

static void
the_error_queue_is_left_as_it_was(void **state)
{
	uint8_t junk[300];
	struct pkey *k;
	unsigned long before;
	const char *why;
	size_t i;

	(void)state;
	memset(junk, 0x11, sizeof junk);
	ERR_clear_error();
	ERR_raise(ERR_LIB_SSL, ERR_R_INTERNAL_ERROR);
	before = ERR_peek_last_error();
	for (i = 0; i < nitems(kinds); i++) {
		k = load_as(keys[kinds[i].key], signer_pem);
		assert_false(verifies(k, &kinds[i], slice_of(junk, 64)));
		assert_false(verifies(k, &kinds[i], slice_of(junk, 96)));
		assert_false(verifies(k, &kinds[i], slice_of(junk, 132)));
		assert_false(verifies(k, &kinds[i], slice_of(junk, 256)));
		pkey_free(&k);
	}
	refuse_pem(SLICE("-----BEGIN CERTIFICATE-----"), NULL);
	refuse_pem(SLICE("nothing"), NULL);
	assert_null(pkey_ec(PKEY_P256, slice_of(junk, 32), slice_of(junk, 32),
	    &why));
	assert_null(pkey_rsa(slice_of(junk, 300), SLICE("\x03"), &why));
	k = pkey_secret(SECRET, &why);
	pkey_free(&k);
	assert_true(ERR_peek_last_error() == before);
	assert_true(ERR_get_error() == before);
	assert_true(ERR_get_error() == 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_scheme_verifies_its_own_signature),
		cmocka_unit_test(
		    a_signature_of_rsa_has_the_length_of_its_modulus),
		cmocka_unit_test(a_changed_signature_never_verifies),
		cmocka_unit_test(a_key_serves_only_its_own_kind),
		cmocka_unit_test(a_secret_serves_hmac_alone),
		cmocka_unit_test(hmac_gives_the_values_of_rfc_4231),
		cmocka_unit_test(secrets_are_long_and_no_keys),
		cmocka_unit_test(certificates_and_pkcs1_are_public_keys_too),
		cmocka_unit_test(pem_that_is_no_public_key_is_refused),
		cmocka_unit_test(weak_and_unknown_keys_are_refused),
		cmocka_unit_test(rsa_numbers_make_the_same_key),
		cmocka_unit_test(odd_rsa_numbers_are_refused),
		cmocka_unit_test(ec_numbers_make_the_same_key),
		cmocka_unit_test(ed25519_bytes_make_the_same_key),
		cmocka_unit_test(ecdsa_numbers_of_any_length_verify),
		cmocka_unit_test(ecdsa_numbers_out_of_range_are_refused),
		cmocka_unit_test(pss_salts_of_other_lengths_are_refused),
		cmocka_unit_test(the_error_queue_is_left_as_it_was),
	};

	return (cmocka_run_group_tests(tests, make_keys, free_keys));
}
