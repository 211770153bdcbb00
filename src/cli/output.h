/* What commands print with: errors on stderr, JSON, numbers for people, colors on terminals only.
 */
#pragma once

#include "raga/status.h"

#include <stdio.h>

/** "raga: ..." on stderr. */
void cli_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
/** The library's sentence on stderr; the exit status of a failure. */
int cli_failed(const raga_error *err);

/** Begin and end of dim text on stderr; nothing where there is no terminal, or NO_COLOR is set. */
const char *cli_dim(void);
const char *cli_plain(void);

/** Can the terminal show more than ASCII? By the locale's name. */
bool cli_has_utf8(void);
/** Columns of the terminal on stdout; 80 where there is none. */
unsigned cli_columns(void);

/** A JSON number; null for what is none. */
void cli_json_number(FILE *out, double value);
/** A JSON string with its quotes; what is not UTF-8 becomes U+FFFD. */
void cli_json_text(FILE *out, const char *text, size_t size);
/** JSON from elsewhere on one line: outside of its texts a line break is white space. */
void cli_json_line(FILE *out, const char *json, size_t size);
/** Print text from elsewhere (a file, a model) for people: what could steer a terminal becomes "?".
 */
void cli_print_safe(const char *text, size_t size);
/** "1.2 GiB". Borrowed until the fourth next call. */
const char *cli_bytes(uint64_t bytes);

/**
 * Write a whole file, "-" to standard output: beside its name first, so that what was there stays
 * until all is written. What is no file (a FIFO, a device) is written to as it is.
 * @return  an exit status, with a message when it is not CLI_OK
 */
int cli_write_file(const char *path, const char *data, size_t size);

/** All of a file or of standard input ("-"); free() it. NULL with a message when it cannot be read.
 */
char *cli_read_all(const char *path, size_t *size);
/** The same of a file that may have at most so many bytes: what has more is not read to its end. */
char *cli_read_most(const char *path, size_t most, size_t *size);

/** "1,2,3" or "@FILE" with the same. Returns the number of ids, or -1 with a message. free() *ids.
 */
long cli_read_ids(const char *text, int32_t **ids);
