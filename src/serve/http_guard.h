/* Who may ask: names of this host, origins of web pages, keys. */
#pragma once

#include "serve/http.h"

/** What the headers of a request say about who asks. NULL: not there. */
typedef struct rg_asker {
    const char *host, *origin;
    const char *authorization; // "Bearer KEY"
    const char *key[2];        // of headers that hold nothing else
    bool is_http11;
} rg_asker;

/** Is the address one that only this machine can reach? */
bool rg_host_is_loopback(const char *host);

/**
 * May it ask? Where only this machine can reach the server, a foreign Host is a web page that made
 * its name point here (DNS rebinding). A page's Origin must be this server itself or one of the
 * options.
 * @param needs_key  keys are looked at too
 * @param key        which of the keys it showed
 */
bool rg_http_may(const rg_http_options *options, const rg_asker *asker, bool needs_key, size_t *key,
                 rg_fault *fault);
/** Does a page of this origin need to be told that it may? (Pages of the server itself do not.) */
bool rg_http_is_listed(const rg_http_options *options, const char *origin);
/** Equal texts, in a time that does not depend on where they differ. */
bool rg_same_secret(const char *a, const char *b);
