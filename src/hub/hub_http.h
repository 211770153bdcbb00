/*
 * One request at a time over HTTP, and what all requests share: redirects are followed by hand, so
 * that a token stays with the host it is for, https never becomes http, and a public host cannot
 * lead to a private one.
 */
#pragma once

#include "base/buf.h"

#define RG_HTTP_URL_MAX    8192  // bytes of an address
#define RG_HTTP_HOPS_MAX   8     // redirects of one request
#define RG_HTTP_WAIT_MAX   600   // seconds that a server may ask to wait
#define RG_HTTP_HEADER_MAX 16384 // bytes of one header line

/** Told now and then during long work; a false answer cancels. */
typedef bool rg_http_go_on_fn(void *arg);

typedef struct rg_http_options {
    const char *origin; // scheme, host and port that the token is for; an address with anything
                        // behind is fine
    const char *token;  // NULL or "": none
    unsigned stall_s;   // with next to nothing coming, a connection is given up; 0: 30
    unsigned n_retries; // in a row without progress; 0: 8
    rg_http_go_on_fn *go_on; // may be NULL
    void *arg;
} rg_http_options;

/** Threads: one at a time per object. Texts of options are copied. */
typedef struct rg_http rg_http;

/** Errors: RG_E_MEMORY; RG_E_UNSUPPORTED: built without libcurl; RG_E_LIMIT: a token too long. */
rg_status rg_http_new(const rg_mem *mem, const rg_http_options *options, rg_http **out,
                      rg_error *err) RG_MUST_CHECK;
void rg_http_free(rg_http *http);

struct sockaddr;
/** Is this an address of this machine or of a private or local network? What is no address of IPv4
 * or IPv6 is. */
bool rg_http_is_private(const struct sockaddr *address);

/** What the headers of an answer say. */
typedef struct rg_http_reply {
    long status;
    char location[RG_HTTP_URL_MAX];
    char next[RG_HTTP_URL_MAX]; // Link: <...>; rel="next"
    char etag[256];             // without quotes; "W/" of weak ones stays in front
    char linked_etag[256];      // X-Linked-ETag
    char modified[64];          // Last-Modified, as it is written
    char error_code[64];        // X-Error-Code
    char error_text[256];       // X-Error-Message
    uint64_t length;            // Content-Length
    uint64_t linked_size;       // X-Linked-Size
    uint64_t range_from;        // Content-Range
    uint64_t range_total;
    uint64_t retry_after_s;
    bool has_length;
    bool has_linked_size;
    bool has_range;
    bool has_retry_after;
} rg_http_reply;

/**
 * GET into memory. Servers that are busy, and connections that break, are tried again.
 * @param what    what errors call it
 * @param accept  the kind of content that is asked for, or NULL
 * @param body    receives the answer; its limit bounds it
 * @param reply   of the last answer
 * Errors: RG_E_NOT_FOUND (404, 410, and 401 where nothing was said to be there), RG_E_IO (network,
 * other statuses), RG_E_LIMIT, RG_E_CANCELLED, RG_E_UNSUPPORTED (a redirect that is not followed).
 */
rg_status rg_http_get(rg_http *http, const char *url, const char *what, const char *accept,
                      rg_buf *body, rg_http_reply *reply, rg_error *err) RG_MUST_CHECK;
/** The headers of a file behind redirects; @param final_url  [RG_HTTP_URL_MAX] where it lies */
rg_status rg_http_head(rg_http *http, const char *url, rg_http_reply *reply, char *final_url,
                       rg_error *err) RG_MUST_CHECK;

/**
 * Where a redirect leads.
 * @param out  [RG_HTTP_URL_MAX]
 * Errors: RG_E_UNSUPPORTED: from https to http, to another scheme, or nowhere.
 */
rg_status rg_http_redirect(const char *from, const char *location, char *out,
                           rg_error *err) RG_MUST_CHECK;
/** The sentence of a status that ends a request; `what` is what was asked for. */
rg_status rg_http_refused(const rg_http *http, const rg_http_reply *reply, const char *what,
                          rg_error *err);
/** Is this answer one of a server that may be asked again: 408, 429, 5xx? */
bool rg_http_may_retry(long status);
/** Milliseconds before try n (from 0): doubling from half a second to half a minute, a quarter of
 * it by chance. */
uint64_t rg_http_backoff_ms(rg_http *http, unsigned n);
unsigned rg_http_retries(const rg_http *http);
bool rg_http_goes_on(const rg_http *http);

/** Percent-encode into a buffer. @param is_path  slashes stay */
void rg_http_encode(rg_buf *out, rg_str text, bool is_path);

/** One transfer, for rg_fetch: a handle of libcurl with this module's rules. */
typedef struct rg_http_transfer {
    rg_http *http;
    void *easy;    // CURL *
    void *headers; // struct curl_slist *
    rg_http_reply reply;
    bool is_redirected;
    char error[256]; // libcurl's sentence
} rg_http_transfer;

typedef size_t rg_http_data_fn(char *data, size_t one, size_t size, void *arg);

/**
 * Make a transfer ready for a request.
 * @param is_redirected  the address came from a server
 * @param from, to  bytes that are asked for, `to` not among them; to 0: all
 */
rg_status rg_http_prepare(rg_http_transfer *t, rg_http *http, const char *url, bool is_redirected,
                          uint64_t from, uint64_t to, rg_http_data_fn *data, void *arg,
                          rg_error *err) RG_MUST_CHECK;
void rg_http_transfer_clear(rg_http_transfer *t);
/** Is trying again of use after this failure of libcurl? Else the sentence is written. */
bool rg_http_is_lasting(const rg_http_transfer *t, int code, const char *url, rg_error *err);
