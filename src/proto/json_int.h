/*
 * Between the files of JSON: values (json.c), strings and numbers.  Its
 * characters are a leaf below them.
 */
#ifndef PROTO_JSON_INT_H
#define PROTO_JSON_INT_H

#include "proto/json.h"
#include "proto/json_chars.h"

#endif
