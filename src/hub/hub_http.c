#include "hub/hub_http.h"

#include "base/clock.h"
#include "base/random.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <strings.h>
#include <unistd.h>

enum {
    STALL_S = 30,
    FLOOR_BYTES_S = 64,
    RETRIES = 8,
    QUESTION_RETRIES = 4,
    CONNECT_S = 20,
    TOKEN_MAX = 4096
};

struct rg_http {
    const rg_mem *mem;
    char origin[RG_HTTP_URL_MAX];
    char authorization[TOKEN_MAX + 32]; // "": no token
    unsigned stall_s;
    unsigned n_retries;
    rg_http_go_on_fn *go_on;
    void *arg;
    rg_random random;
    bool is_public; // the origin's address was not one of a private network
    CURL *easy;     // of rg_http_get and rg_http_head
};

// ---- addresses ----

// "https://host:443" of an address, lower case, its port always written
static bool origin_of(const char *url, char *out, size_t size) {
    CURLU *u = curl_url();
    char *scheme = NULL, *host = NULL, *port = NULL;
    const bool is_fine = u != NULL && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK &&
                         curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
                         curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
                         curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK;
    if (is_fine) {
        snprintf(out, size, "%s://%s:%s", scheme, host, port);
        for (char *p = out; *p != '\0'; p++) {
            *p = *p >= 'A' && *p <= 'Z' ? (char)(*p + 32) : *p;
        }
    }
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    curl_url_cleanup(u);
    return is_fine;
}

static bool is_same_origin(const char *a, const char *b) {
    char x[RG_HTTP_URL_MAX], y[RG_HTTP_URL_MAX];
    return origin_of(a, x, sizeof x) && origin_of(b, y, sizeof y) && strcmp(x, y) == 0;
}

rg_status rg_http_redirect(const char *from, const char *location, char *out, rg_error *err) {
    CURLU *u = curl_url();
    char *scheme = NULL, *url = NULL;
    rg_status status = RG_OK;
    const bool was_https = strncmp(from, "https://", 8) == 0;
    const bool is_read = u != NULL && location[0] != '\0' &&
                         curl_url_set(u, CURLUPART_URL, from, 0) == CURLUE_OK &&
                         curl_url_set(u, CURLUPART_URL, location, 0) == CURLUE_OK &&
                         curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
                         curl_url_get(u, CURLUPART_URL, &url, 0) == CURLUE_OK;
    if (!is_read || strlen(url) >= RG_HTTP_URL_MAX) {
        status = rg_fail(err, RG_E_UNSUPPORTED, "the server redirects to no address");
    } else if (strcmp(scheme, "https") != 0 && (was_https || strcmp(scheme, "http") != 0)) {
        status = rg_fail(err, RG_E_UNSUPPORTED,
                         "the server redirects from %s to %.16s: that is not followed",
                         was_https ? "https" : "http", scheme);
    } else {
        memcpy(out, url, strlen(url) + 1);
    }
    curl_free(scheme);
    curl_free(url);
    curl_url_cleanup(u);
    return status;
}

void rg_http_encode(rg_buf *out, rg_str text, bool is_path) {
    for (size_t i = 0; i < text.size; i++) {
        const unsigned char c = (unsigned char)text.data[i];
        const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                              (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' ||
                              c == '~' || (c == '/' && is_path);
        if (is_plain) {
            rg_buf_char(out, (char)c);
        } else {
            rg_buf_format(out, "%%%02X", c);
        }
    }
}

// ---- the client ----

rg_status rg_http_new(const rg_mem *mem, const rg_http_options *o, rg_http **out, rg_error *err) {
    const size_t n_token = o->token == NULL ? 0 : strlen(o->token);
    if (n_token > TOKEN_MAX) {
        return rg_fail(err, RG_E_LIMIT, "the token has %zu bytes, limit %d", n_token, TOKEN_MAX);
    }
    for (size_t i = 0; i < n_token; i++) {
        if (o->token[i] <= 0x20 || o->token[i] == 0x7F) {
            return rg_fail(err, RG_E_ARG, "the token has a blank or a control at place %zu", i);
        }
    }
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        return rg_fail(err, RG_E_IO, "libcurl does not start");
    }
    rg_http *http = rg_new(mem, sizeof *http);
    if (http != NULL) {
        http->easy = curl_easy_init();
    }
    if (http == NULL || http->easy == NULL) {
        rg_free(mem, http);
        return rg_fail(err, RG_E_MEMORY, "no memory for a connection");
    }
    http->mem = mem;
    snprintf(http->origin, sizeof http->origin, "%s", o->origin);
    if (n_token > 0) {
        snprintf(http->authorization, sizeof http->authorization, "Authorization: Bearer %s",
                 o->token);
    }
    http->stall_s = o->stall_s == 0 ? STALL_S : o->stall_s;
    http->n_retries = o->n_retries == 0 ? RETRIES : o->n_retries;
    http->go_on = o->go_on;
    http->arg = o->arg;
    rg_random_seed(&http->random, rg_clock_ns());
    *out = http;
    return RG_OK;
}

void rg_http_free(rg_http *http) {
    if (http != NULL) {
        curl_easy_cleanup(http->easy);
        memset(http->authorization, 0, sizeof http->authorization);
        rg_free(http->mem, http);
        curl_global_cleanup();
    }
}

unsigned rg_http_retries(const rg_http *http) {
    return http->n_retries;
}

bool rg_http_goes_on(const rg_http *http) {
    return http->go_on == NULL || http->go_on(http->arg);
}

bool rg_http_may_retry(long status) {
    return status == 408 || status == 429 || status >= 500;
}

uint64_t rg_http_backoff_ms(rg_http *http, unsigned n) {
    const uint64_t whole = n >= 6 ? 30000 : (uint64_t)500 << n;
    return whole - (uint64_t)(rg_random_unit(&http->random) * (double)(whole / 4));
}

// ---- headers ----

static bool read_u64(rg_str text, uint64_t *out) {
    uint64_t value = 0;
    for (size_t i = 0; i < text.size; i++) {
        const char c = text.data[i];
        if (c < '0' || c > '9' || value > (UINT64_MAX - 9) / 10) {
            return false;
        }
        value = value * 10 + (uint64_t)(c - '0');
    }
    *out = value;
    return text.size > 0;
}

// what is longer than its place is no value that is used
static void keep(char *out, size_t size, rg_str value) {
    if (value.size < size) {
        memcpy(out, value.data, value.size);
        out[value.size] = '\0';
    }
}

// quotes off; "W/" stays, so that weak tags never look like hashes
static void keep_etag(char *out, size_t size, rg_str value) {
    const bool is_quoted =
        value.size >= 2 && value.data[0] == '"' && value.data[value.size - 1] == '"';
    keep(out, size, is_quoted ? rg_str_slice(value, 1, value.size - 1) : value);
}

// <address>; rel="next"
static void keep_next(char *out, size_t size, rg_str value) {
    const char *end = memchr(value.data, '>', value.size);
    if (value.size > 2 && value.data[0] == '<' && end != NULL) {
        const rg_str address = {value.data + 1, (size_t)(end - value.data) - 1};
        const rg_str behind = {end, value.size - (size_t)(end - value.data)};
        if (memmem(behind.data, behind.size, "rel=\"next\"", 10) != NULL) {
            keep(out, size, address);
        }
    }
}

// bytes 5-9/20, or of 416: bytes */20
static void keep_range(rg_http_reply *r, rg_str value) {
    const char *slash = memchr(value.data, '/', value.size);
    const char *dash = memchr(value.data, '-', value.size);
    if (!rg_str_starts(value, RG_STR("bytes ")) || slash == NULL) {
        return;
    }
    const rg_str total = {slash + 1, value.size - (size_t)(slash + 1 - value.data)};
    if (dash != NULL && dash < slash &&
        read_u64((rg_str){value.data + 6, (size_t)(dash - value.data) - 6}, &r->range_from)) {
        r->has_range = read_u64(total, &r->range_total);
    }
}

static size_t on_header(char *data, size_t one, size_t size, void *arg) {
    rg_http_reply *r = arg;
    (void)one;
    rg_str line = {data, size};
    if (size > RG_HTTP_HEADER_MAX) {
        return 0;
    }
    while (line.size > 0 && (unsigned char)line.data[line.size - 1] <= 0x20) {
        line.size--;
    }
    // a new answer begins: of a proxy, or after "100 Continue"
    if (rg_str_starts(line, RG_STR("HTTP/"))) {
        *r = (rg_http_reply){0};
        return size;
    }
    const char *colon = line.size == 0 ? NULL : memchr(line.data, ':', line.size);
    if (colon == NULL) {
        return size;
    }
    const size_t n = (size_t)(colon - line.data);
    rg_str value = rg_str_slice(line, n + 1, line.size);
    while (value.size > 0 && (value.data[0] == ' ' || value.data[0] == '\t')) {
        value = rg_str_slice(value, 1, value.size);
    }
    const struct {
        const char *name;
        uint64_t *number;
        bool *has;
        char *text;
        size_t text_size;
    } rows[] = {
        {"content-length", &r->length, &r->has_length, NULL, 0},
        {"x-linked-size", &r->linked_size, &r->has_linked_size, NULL, 0},
        {"retry-after", &r->retry_after_s, &r->has_retry_after, NULL, 0},
        {"location", NULL, NULL, r->location, sizeof r->location},
        {"last-modified", NULL, NULL, r->modified, sizeof r->modified},
        {"x-error-code", NULL, NULL, r->error_code, sizeof r->error_code},
        {"x-error-message", NULL, NULL, r->error_text, sizeof r->error_text},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (strlen(rows[i].name) != n || strncasecmp(rows[i].name, line.data, n) != 0) {
            continue;
        }
        if (rows[i].number != NULL) {
            *rows[i].has = read_u64(value, rows[i].number);
        } else {
            keep(rows[i].text, rows[i].text_size, value);
        }
    }
    if (n == 4 && strncasecmp(line.data, "etag", n) == 0) {
        keep_etag(r->etag, sizeof r->etag, value);
    } else if (n == 13 && strncasecmp(line.data, "x-linked-etag", n) == 0) {
        keep_etag(r->linked_etag, sizeof r->linked_etag, value);
    } else if (n == 13 && strncasecmp(line.data, "content-range", n) == 0) {
        keep_range(r, value);
    } else if (n == 4 && strncasecmp(line.data, "link", n) == 0) {
        keep_next(r->next, sizeof r->next, value);
    }
    return size;
}

// ---- transfers ----

static bool is_private_v4(uint32_t a) {
    return a >> 24 == 0 || a >> 24 == 10 || a >> 24 == 127 || a >> 16 == 0xA9FE ||
           a >> 20 == 0xAC1 || a >> 16 == 0xC0A8 || a >> 22 == 0x191;
}

bool rg_http_is_private(const struct sockaddr *address) {
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)address;
        return is_private_v4(ntohl(in->sin_addr.s_addr));
    }
    if (address->sa_family != AF_INET6) {
        return true;
    }
    const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)(const void *)address;
    const uint8_t *b = in->sin6_addr.s6_addr;
    if (IN6_IS_ADDR_V4MAPPED(&in->sin6_addr)) {
        return is_private_v4((uint32_t)b[12] << 24 | (uint32_t)b[13] << 16 | (uint32_t)b[14] << 8 |
                             b[15]);
    }
    return IN6_IS_ADDR_LOOPBACK(&in->sin6_addr) || IN6_IS_ADDR_UNSPECIFIED(&in->sin6_addr) ||
           (b[0] & 0xFE) == 0xFC || (b[0] == 0xFE && (b[1] & 0xC0) == 0x80);
}

// a public host must not lead into the network that this machine stands in
static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address) {
    rg_http_transfer *t = arg;
    (void)purpose;
    const bool is_inside = rg_http_is_private(&address->addr);
    if (!t->is_redirected) {
        t->http->is_public = !is_inside;
    } else if (t->http->is_public && is_inside) {
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static int on_progress(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d) {
    const rg_http_transfer *t = arg;
    (void)a, (void)b, (void)c, (void)d;
    return rg_http_goes_on(t->http) ? 0 : 1;
}

rg_status rg_http_prepare(rg_http_transfer *t, rg_http *http, const char *url, bool is_redirected,
                          uint64_t from, uint64_t to, rg_http_data_fn *data, void *arg,
                          rg_error *err) {
    char range[64];
    CURL *easy = t->easy;
    struct curl_slist *headers = NULL;
    curl_slist_free_all(t->headers);
    t->headers = NULL;
    t->http = http;
    t->is_redirected = is_redirected;
    t->reply = (rg_http_reply){0};
    t->error[0] = '\0';
    _Static_assert(sizeof t->error >= CURL_ERROR_SIZE, "libcurl's sentences");
    curl_easy_reset(easy);
    if (http->authorization[0] != '\0' && is_same_origin(url, http->origin)) {
        headers = curl_slist_append(NULL, http->authorization);
        if (headers == NULL) {
            return rg_fail(err, RG_E_MEMORY, "no memory for a header");
        }
    }
    t->headers = headers;
    bool is_set = true;
#define SET(option, value) is_set = curl_easy_setopt(easy, option, value) == CURLE_OK && is_set
    SET(CURLOPT_URL, url);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1); // a range, a connection
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_HTTPHEADER, headers);
    SET(CURLOPT_USERAGENT, "raga/" RAGA_VERSION);
    SET(CURLOPT_CONNECTTIMEOUT, (long)CONNECT_S);
    SET(CURLOPT_LOW_SPEED_LIMIT, (long)FLOOR_BYTES_S);
    SET(CURLOPT_LOW_SPEED_TIME, (long)http->stall_s);
    SET(CURLOPT_HEADERFUNCTION, on_header);
    SET(CURLOPT_HEADERDATA, &t->reply);
    SET(CURLOPT_WRITEFUNCTION, data);
    SET(CURLOPT_WRITEDATA, arg);
    SET(CURLOPT_OPENSOCKETFUNCTION, open_socket);
    SET(CURLOPT_OPENSOCKETDATA, t);
    SET(CURLOPT_NOPROGRESS, 0L);
    SET(CURLOPT_XFERINFOFUNCTION, on_progress);
    SET(CURLOPT_XFERINFODATA, t);
    SET(CURLOPT_ERRORBUFFER, t->error);
    SET(CURLOPT_BUFFERSIZE, 256L << 10);
    if (to != 0) {
        snprintf(range, sizeof range, "%llu-%llu", (unsigned long long)from,
                 (unsigned long long)to - 1);
        SET(CURLOPT_RANGE, range);
    }
#undef SET
    return is_set ? RG_OK : rg_fail(err, RG_E_MEMORY, "libcurl takes no request for %.200s", url);
}

void rg_http_transfer_clear(rg_http_transfer *t) {
    curl_slist_free_all(t->headers);
    t->headers = NULL;
}

// an address without its query, which may hold signatures
static int shown(const char *url) {
    const size_t n = strcspn(url, "?#");
    return (int)(n > 256 ? 256 : n);
}

bool rg_http_is_lasting(const rg_http_transfer *t, int code, const char *url, rg_error *err) {
    switch (code) {
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
        (void)rg_fail(err, RG_E_IO, "%.*s: its certificate is not trusted: %s", shown(url), url,
                      t->error[0] != '\0' ? t->error : curl_easy_strerror((CURLcode)code));
        return true;
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
        (void)rg_fail(err, RG_E_ARG, "%.*s is no address that can be asked", shown(url), url);
        return true;
    case CURLE_OUT_OF_MEMORY:
        (void)rg_fail(err, RG_E_MEMORY, "no memory for a connection");
        return true;
    case CURLE_ABORTED_BY_CALLBACK:
        (void)rg_fail(err, RG_E_CANCELLED, "stopped");
        return true;
    default:
        break;
    }
    if (t->is_redirected && t->http->is_public && code == CURLE_COULDNT_CONNECT &&
        strstr(t->error, "opensocket") != NULL) {
        (void)rg_fail(err, RG_E_UNSUPPORTED,
                      "%.*s lies in a private network, and a public host led there", shown(url),
                      url);
        return true;
    }
    (void)rg_fail(err, RG_E_IO, "%.*s: %s", shown(url), url,
                  t->error[0] != '\0' ? t->error : curl_easy_strerror((CURLcode)code));
    return false;
}

rg_status rg_http_refused(const rg_http *http, const rg_http_reply *r, const char *what,
                          rg_error *err) {
    const bool has_token = http->authorization[0] != '\0';
    if (strcmp(r->error_code, "GatedRepo") == 0) {
        return rg_fail(err, RG_E_IO, "%s is gated: accept its terms on its page%s", what,
                       has_token ? " with the account of your token"
                                 : ", then set HF_TOKEN (or log in with a tool that writes "
                                   "~/.cache/huggingface/token)");
    }
    if (r->status == 401 || r->status == 403) {
        return rg_fail(err, RG_E_NOT_FOUND, "%s: status %ld: %s", what, r->status,
                       has_token
                           ? "it does not exist, or your token may not read it"
                           : "it does not exist, or is private: check the name, or set HF_TOKEN");
    }
    if (r->status == 404 || r->status == 410) {
        return rg_fail(err, RG_E_NOT_FOUND, "%s does not exist%s", what,
                       strcmp(r->error_code, "RevisionNotFound") == 0 ? " in this revision" : "");
    }
    return rg_fail(err, RG_E_IO, "%s: status %ld%s", what, r->status,
                   r->status == 429 ? ", too many requests: try again later" : "");
}

// ---- one request ----

typedef struct sink {
    rg_buf *body; // NULL: nothing is wanted
    CURL *easy;
} sink;

static size_t on_body(char *data, size_t one, size_t size, void *arg) {
    sink *s = arg;
    (void)one;
    long status = 0;
    curl_easy_getinfo(s->easy, CURLINFO_RESPONSE_CODE, &status);
    if (s->body == NULL || status != 200) {
        return size; // an error's page
    }
    rg_buf_put(s->body, data, size);
    return s->body->is_failed ? 0 : size;
}

static bool sleep_ms(const rg_http *http, uint64_t ms) {
    const uint64_t until = rg_clock_ns() + ms * 1000000u;
    while (rg_clock_ns() < until) {
        if (!rg_http_goes_on(http)) {
            return false;
        }
        usleep(20000);
    }
    return true;
}

static rg_status request(rg_http *http, const char *url, const char *what, const char *accept,
                         bool is_head, rg_buf *body, rg_http_reply *reply, char *at,
                         rg_error *err) {
    rg_http_transfer t = {.easy = http->easy};
    rg_status status = RG_OK;
    struct curl_slist *with = NULL;
    char next[RG_HTTP_URL_MAX];
    unsigned hops = 0;
    unsigned n_failed = 0;
    // a question that nobody answers is given up sooner than a file
    const unsigned most = http->n_retries < QUESTION_RETRIES ? http->n_retries : QUESTION_RETRIES;
    snprintf(at, RG_HTTP_URL_MAX, "%s", url);
    for (;;) {
        sink s = {body, http->easy};
        if (body != NULL) {
            rg_buf_clear(body);
        }
        RG_TRY(rg_http_prepare(&t, http, at, hops > 0, 0, 0, on_body, &s, err));
        if (accept != NULL) {
            with = curl_slist_append(t.headers, accept);
            if (with == NULL) {
                status = rg_fail(err, RG_E_MEMORY, "no memory for a header");
                goto done;
            }
            t.headers = with;
            curl_easy_setopt(http->easy, CURLOPT_HTTPHEADER, with);
        }
        curl_easy_setopt(http->easy, CURLOPT_NOBODY, is_head ? 1L : 0L);
        const CURLcode code = curl_easy_perform(http->easy);
        curl_easy_getinfo(http->easy, CURLINFO_RESPONSE_CODE, &t.reply.status);
        const long answer = t.reply.status;
        if (code == CURLE_OK && answer == 200) {
            break;
        }
        if (body != NULL && body->is_failed) {
            status = rg_buf_check(body, "the hub's answer", err);
            goto done;
        }
        if (code == CURLE_OK && answer >= 300 && answer < 400 && answer != 304) {
            RG_TRY(rg_http_redirect(at, t.reply.location, next, err));
            if (++hops > RG_HTTP_HOPS_MAX) {
                status = rg_fail(err, RG_E_IO, "more than %d redirects", RG_HTTP_HOPS_MAX);
                goto done;
            }
            memcpy(at, next, sizeof next);
            continue;
        }
        if (code == CURLE_OK && !rg_http_may_retry(answer)) {
            status = rg_http_refused(http, &t.reply, what, err);
            goto done;
        }
        bool is_lasting = false;
        if (code == CURLE_OK) {
            (void)rg_http_refused(http, &t.reply, what, err);
        } else {
            is_lasting = rg_http_is_lasting(&t, (int)code, at, err);
        }
        const bool has_wait = code == CURLE_OK && t.reply.has_retry_after;
        if (is_lasting || n_failed >= most ||
            (has_wait && t.reply.retry_after_s > RG_HTTP_WAIT_MAX)) {
            status = err == NULL ? RG_E_IO : err->status;
            goto done;
        }
        const uint64_t wait =
            has_wait ? t.reply.retry_after_s * 1000 : rg_http_backoff_ms(http, n_failed);
        n_failed++;
        hops = 0;
        snprintf(at, RG_HTTP_URL_MAX, "%s", url);
        if (!sleep_ms(http, wait)) {
            status = rg_fail(err, RG_E_CANCELLED, "stopped");
            goto done;
        }
    }

done:
    *reply = t.reply;
    rg_http_transfer_clear(&t);
    return status;
}

rg_status rg_http_get(rg_http *http, const char *url, const char *what, const char *accept,
                      rg_buf *body, rg_http_reply *reply, rg_error *err) {
    char at[RG_HTTP_URL_MAX];
    char header[256];
    rg_error own = {0};
    snprintf(header, sizeof header, "Accept: %s", accept == NULL ? "*/*" : accept);
    return request(http, url, what, header, false, body, reply, at, err == NULL ? &own : err);
}

rg_status rg_http_head(rg_http *http, const char *url, rg_http_reply *reply, char *final_url,
                       rg_error *err) {
    rg_error own = {0};
    return request(http, url, url, NULL, true, NULL, reply, final_url, err == NULL ? &own : err);
}
