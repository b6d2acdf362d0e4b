/*
 * What is to be kept of tokens and of handshakes: what rules ask for.
 */
#ifndef CONF_READ_ASKED_H
#define CONF_READ_ASKED_H

#include "conf/model.h"

/* All namespaces are read. */
void	conf_asked_note(struct conf *);

#endif
