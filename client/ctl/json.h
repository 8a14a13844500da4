/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The shapes that lodgectl(1) documents. Objects returned are the caller's, for json_object_put(); NULL: no memory. */

#include <json-c/json.h>
#include <stdbool.h>

#include "client/lodge.h"

#include "client/ctl/output.h"
#include "client/ctl/record.h"

enum json_mode {
        JSON_OFF = 0,
        JSON_SHORT,  /* one object a line */
        JSON_PRETTY, /* indented; many objects are an array */
};

/* One key for each attribute; keys that repeat are an array, and so are those that may repeat ("binding"). */
json_object *json_of_record(const record *r);

/* A message with its body. queue: where it was found, or NULL. */
json_object *json_of_message(lodge_message *m, const char *queue);

/* Objects going out one by one. */
typedef struct json_stream {
        output *out;
        enum json_mode mode;
        bool single; /* one object is expected, so that there is no array around it */
        size_t n;    /* written */
} json_stream;

/* Writes one more object and takes it over; NULL is no memory. Returns 0 or a negative errno. */
int json_stream_add(json_stream *s, json_object *object);
/* Ends the array, where there is one. Returns 0 or a negative errno. */
int json_stream_end(json_stream *s);
