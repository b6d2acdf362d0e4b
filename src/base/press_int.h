/*
 * What those who call zlib share.  Private to press*.c.
 */
#ifndef BASE_PRESS_INT_H
#define BASE_PRESS_INT_H

#define PRESS_PIECE	(1u << 30)	/* bytes: zlib counts in uInt */

#endif
