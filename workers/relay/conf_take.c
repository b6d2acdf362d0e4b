/*
 * A configuration from a descriptor; see conf_take.h.
 */
#include "relay/conf_take.h"

#include <errno.h>
#include <stdlib.h>
#include <sysexits.h>

#include "conf/read/packet.h"
#include "sys/log.h"
#include "sys/sealed.h"

#define CONF_TAKE_MAX	(64u << 20)	/* the master reads less */

static const char *
conf_take_env(const char *name)
{
	return (getenv(name));
}

static struct conf *
conf_take_text(struct slice bytes)
{
	struct conf_errors errors;
	struct conf *conf;

	conf_errors_init(&errors);
	conf = conf_unpack(bytes, conf_take_env, &errors);
	if (conf == NULL)
		fatalx(EX_SOFTWARE, "configuration_bad errors=%u",
		    errors.count);
	conf_errors_fini(&errors);
	return (conf);
}

struct conf *
conf_take(int fd)
{
	struct conf *conf = NULL;
	struct buf bytes;

	buf_init(&bytes);
	if (sealed_read(fd, CONF_TAKE_MAX, &bytes) == 0)
		conf = conf_take_text(buf_unread(&bytes));
	else if (errno == ENOMEM)
		log_warn("configuration_not_read");
	else
		fatal("configuration_not_read");
	buf_fini(&bytes);
	return (conf);
}
