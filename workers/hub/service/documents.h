/*
 * The service `documents': clients open a room that keeps the newest of each key,
 * are given what is there and then each change, and change a key if it is still as
 * they have seen it.  What they get is store/document.h's.
 *
 *	doc:open	{doc, since?: {epoch, rev}}	{doc, epoch, rev, keys,
 *							recovered}
 *	doc:set		{doc, key, base, value, epoch?}	{rev, epoch, ts}
 *	doc:delete	{doc, key, base, epoch?}	the same
 *	doc:close	{doc}				{doc}
 *
 * Of a set whose base is not the key's revision nothing comes but the error
 * conflict, with current: {key, rev, value | deleted, from, ts}.
 */
#ifndef HUB_SERVICE_DOCUMENTS_H
#define HUB_SERVICE_DOCUMENTS_H

#include "hub/session/refuse.h"

/* false: refused, and the sender knows. */
bool	documents_do_open(struct session *, const struct inbound *) MUST_USE;
bool	documents_do_set(struct session *, const struct inbound *) MUST_USE;
bool	documents_do_delete(struct session *, const struct inbound *)
	    MUST_USE;
bool	documents_do_close(struct session *, const struct inbound *) MUST_USE;

#endif
