/*
 * A configuration on its way to another process; see packet.h.
 */
#include "conf/read/packet.h"

#include <stdlib.h>

#include "base/state.h"
#include "conf/heap.h"
#include "conf/read/parse.h"

#define PACKET_TAG		0x4643
#define PACKET_VERSION		2	/* 1: without files */
#define PACKET_NAMESPACES	65535u	/* indices are 16 bits */
#define PACKET_OVERRIDES	65535u
#define PACKET_FILES		65535u

void
conf_pack(struct buf *b, const struct conf_source *source,
    const struct conf *conf)
{
	size_t at = state_open(b, PACKET_TAG, conf->nfiles == 0 ? 1 :
	    PACKET_VERSION), i;

	state_put_slice(b, slice_str(source->file));
	state_put_slice(b, source->text);
	state_put_u32(b, (uint32_t)source->noverrides);
	for (i = 0; i < source->noverrides; i++)
		state_put_slice(b, slice_str(source->overrides[i]));
	state_put_u32(b, conf->ns_room);
	state_put_u32(b, (uint32_t)conf->nnamespaces);
	for (i = 0; i < conf->nnamespaces; i++)
		state_put_slice(b, slice_of(conf->namespaces[i].name,
		    conf->namespaces[i].name_len));
	if (conf->nfiles != 0)
		state_put_u32(b, (uint32_t)conf->nfiles);
	for (i = 0; i < conf->nfiles; i++) {
		state_put_slice(b, slice_str(conf->files[i].path));
		state_put_slice(b, slice_of(conf->files[i].text,
		    conf->files[i].n));
	}
	state_close(b, at);
}

/* --- the other way --------------------------------------------------------*/

/* What a parse needs, and owns nothing else. */
struct packet {
	char		*file;
	char		**overrides;
	size_t		 noverrides;
	struct conf	 before;	/* names of namespaces in their places */
	uint16_t	 version;
	struct state_in	 files;		/* so many pairs of path and text */
	uint32_t	 nfiles;
};

static char *
packet_string(struct state_in *in)
{
	struct slice s = state_get_slice(in);

	return (conf_strndup(s.p, s.n));
}

static void
packet_overrides(struct packet *p, struct state_in *in)
{
	uint32_t n = state_get_below(in, PACKET_OVERRIDES);

	p->overrides = conf_calloc(n, sizeof *p->overrides);
	while (!in->bad && p->noverrides < n)
		p->overrides[p->noverrides++] = packet_string(in);
}

static void
packet_namespaces(struct packet *p, struct state_in *in)
{
	struct conf *before = &p->before;
	uint32_t n;

	before->magic = CONF_MAGIC;
	before->ns_room = state_get_below(in, PACKET_NAMESPACES);
	n = state_get_below(in, before->ns_room + 1);
	before->namespaces = conf_calloc(n, sizeof *before->namespaces);
	while (!in->bad && before->nnamespaces < n)
		before->namespaces[before->nnamespaces++].name =
		    packet_string(in);
}

static void
packet_files(struct packet *p, struct state_in *in)
{
	uint32_t i;

	if (p->version < 2)
		return;
	p->nfiles = state_get_below(in, PACKET_FILES);
	p->files = *in;
	for (i = 0; i < p->nfiles && !in->bad; i++)
		if (state_get_slice(in).n == 0 ||
		    state_get_slice(in).n == 0)
			state_bad(in);	/* no file is empty */
}

static bool
packet_read(const void *arg, const char *path, struct buf *out,
    const char **why)
{
	const struct packet *p = arg;
	struct state_in in = p->files;
	struct slice name, text;
	uint32_t i;

	for (i = 0; i < p->nfiles; i++) {
		name = state_get_slice(&in);
		text = state_get_slice(&in);
		if (slice_eq(name, slice_str(path))) {
			buf_slice(out, text);
			return (!out->oom);
		}
	}
	*why = "it is not in the packet";
	return (false);
}

static void
packet_fini(struct packet *p)
{
	size_t i;

	for (i = 0; i < p->noverrides; i++)
		free(p->overrides[i]);
	free(p->overrides);
	for (i = 0; i < p->before.nnamespaces; i++)
		free(p->before.namespaces[i].name);
	free(p->before.namespaces);
	free(p->file);
}

static struct conf *
packet_parse(const struct packet *p, struct slice text,
    const char *(*env)(const char *), struct conf_errors *errors)
{
	const struct conf_source source = { .file = p->file, .text = text,
		.overrides = (const char *const *)p->overrides,
		.noverrides = p->noverrides, .env = env,
		.read = packet_read, .read_arg = p,
		.before = &p->before };

	return (conf_parse(&source, errors));
}

static bool
packet_open(struct slice bytes, struct state_in *in, uint16_t *version)
{
	struct state_in whole = state_in(bytes);

	*version = 0;
	return (state_section(&whole, PACKET_TAG, version, in) &&
	    state_end(&whole) && *version != 0 &&
	    *version <= PACKET_VERSION);
}

struct slice
conf_packed_text(struct slice bytes)
{
	struct state_in in;
	struct slice text = slice_of(NULL, 0);
	uint16_t version;

	if (packet_open(bytes, &in, &version)) {
		text = state_get_slice(&in);	/* the file's name */
		text = state_get_slice(&in);
	}
	return (text);
}

struct conf *
conf_unpack(struct slice bytes, const char *(*env)(const char *),
    struct conf_errors *errors)
{
	struct packet p = { .file = NULL };
	struct conf *conf = NULL;
	struct state_in in;
	struct slice text;
	bool ok = packet_open(bytes, &in, &p.version);

	if (ok) {
		p.file = packet_string(&in);
		text = state_get_slice(&in);
		packet_overrides(&p, &in);
		packet_namespaces(&p, &in);
		packet_files(&p, &in);
		ok = state_end(&in);
	}
	if (ok)
		conf = packet_parse(&p, text, env, errors);
	else
		conf_error(errors, "packet", 0, "no configuration");
	packet_fini(&p);
	return (conf);
}
