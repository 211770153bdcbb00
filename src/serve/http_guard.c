#include "serve/http_guard.h"

#include <strings.h>

bool rg_same_secret(const char *a, const char *b) {
    const size_t n = strlen(a);
    const size_t m = strlen(b);
    volatile unsigned char different = n != m;
    // as long as the client's text, whatever the secret is
    for (size_t i = 0; i < m; i++) {
        different |= (unsigned char)((n == 0 ? 1 : a[i % n]) ^ b[i]);
    }
    return !different;
}

// the name without its port: "[::1]:8080" is "[::1]"
static rg_str name_of(const char *host) {
    const rg_str all = rg_str_of(host);
    const char *end = all.size != 0 && host[0] == '[' ? strchr(host, ']') : strrchr(host, ':');
    if (end == NULL) {
        return all;
    }
    return rg_str_slice(all, 0, (size_t)(end - host) + (*end == ']'));
}

static bool is_name(rg_str name, const char *wanted) {
    return name.size == strlen(wanted) && strncasecmp(name.data, wanted, name.size) == 0;
}

static bool is_local(rg_str name) {
    static const char tail[] = ".localhost";
    const size_t n = sizeof tail - 1;
    return is_name(name, "localhost") || is_name(name, "127.0.0.1") || is_name(name, "[::1]") ||
           (name.size > n && strncasecmp(name.data + name.size - n, tail, n) == 0);
}

bool rg_host_is_loopback(const char *host) {
    return strcmp(host, "::1") == 0 || strncmp(host, "127.", 4) == 0 ||
           strcasecmp(host, "localhost") == 0;
}

static bool may_name(const rg_http_options *o, const rg_asker *asker) {
    if (asker->host == NULL) {
        return !asker->is_http11; // no browser is that old
    }
    const rg_str name = name_of(asker->host);
    for (size_t i = 0; i < o->n_names; i++) {
        if (strcmp(o->names[i], "*") == 0 || is_name(name, o->names[i])) {
            return true;
        }
    }
    return is_local(name) || is_name(name, o->host) ||
           (o->n_names == 0 && !rg_host_is_loopback(o->host));
}

bool rg_http_is_listed(const rg_http_options *o, const char *origin) {
    for (size_t i = 0; origin != NULL && i < o->n_origins; i++) {
        if (strcmp(o->origins[i], "*") == 0 || strcasecmp(o->origins[i], origin) == 0) {
            return true;
        }
    }
    return false;
}

static bool may_origin(const rg_http_options *o, const rg_asker *asker) {
    static const char scheme[] = "http://";
    const size_t n = sizeof scheme - 1;
    const char *origin = asker->origin;
    return origin == NULL || rg_http_is_listed(o, origin) ||
           (strncasecmp(origin, scheme, n) == 0 && asker->host != NULL &&
            strcasecmp(origin + n, asker->host) == 0);
}

// which key was shown; every one is compared
static bool find_key(const rg_http_options *o, const rg_asker *asker, size_t *key) {
    static const char bearer[] = "Bearer ";
    const size_t n = sizeof bearer - 1;
    bool is_found = false;
    const char *shown[3] = {asker->key[0], asker->key[1], NULL};
    if (asker->authorization != NULL && strncasecmp(asker->authorization, bearer, n) == 0) {
        shown[2] = asker->authorization + n;
    }
    for (size_t i = 0; i < o->n_keys; i++) {
        for (size_t s = 0; s < 3; s++) {
            if (shown[s] != NULL && rg_same_secret(o->keys[i], shown[s])) {
                *key = i;
                is_found = true;
            }
        }
    }
    return is_found;
}

bool rg_http_may(const rg_http_options *o, const rg_asker *asker, bool needs_key, size_t *key,
                 rg_fault *fault) {
    *key = 0;
    if (!may_name(o, asker)) {
        return rg_fault_set(fault, 403, NULL,
                            "this server does not go by the name in the Host header; --allow-host "
                            "NAME gives it one");
    }
    if (!may_origin(o, asker)) {
        return rg_fault_set(fault, 403, NULL,
                            "pages of this origin may not ask here; --cors ORIGIN lets them");
    }
    if (needs_key && o->n_keys != 0 && !find_key(o, asker, key)) {
        rg_fault_set(fault, 401, NULL,
                     "no API key that is known: give it as \"Authorization: Bearer KEY\"");
        fault->code = "invalid_api_key";
        return false;
    }
    return true;
}
