/*
 * Where log lines go, and never a wait: what is not taken at once is dropped.
 * For log.c only.
 */
#ifndef SYS_LOG_OUT_H
#define SYS_LOG_OUT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bug.h"

/* From now on lines go to stderr, or to syslog's socket.  What was open for
 * lines before is closed. */
void	log_out_stderr(void);
void	log_out_syslog(void);
/* Nothing is open any more; the next line goes to stderr itself, or opens
 * what it needs. */
void	log_out_close(void);
/* One line with its newline, which syslog gets without.  priority: syslog's.
 * False: nobody takes it now. */
bool	log_out_line(int priority, const char *line, size_t n) MUST_USE;

#endif
