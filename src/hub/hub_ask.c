#include "hub/hub_ask.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/map.h"
#include "format/json.h"
#include "hub/hub_pull.h"

#include <stdio.h>
#include <stdlib.h>

static const char *env(const char *name) {
    const char *value = getenv(name);
    return value != NULL && value[0] != '\0' ? value : NULL;
}

// ---- where, and with what ----

static void read_token(const rg_mem *mem, char *out, size_t size) {
    char path[4096];
    rg_bytes text = {0};
    if (env("HF_TOKEN") != NULL) {
        snprintf(out, size, "%s", env("HF_TOKEN"));
        return;
    }
    if (env("HF_TOKEN_PATH") != NULL) {
        snprintf(path, sizeof path, "%s", env("HF_TOKEN_PATH"));
    } else if (env("HF_HOME") != NULL) {
        snprintf(path, sizeof path, "%s/token", env("HF_HOME"));
    } else if (env("HOME") != NULL) {
        snprintf(path, sizeof path, "%s/.cache/huggingface/token", env("HOME"));
    } else {
        return;
    }
    if (rg_file_read(mem, path, size - 1, &text, NULL) == RG_OK) {
        snprintf(out, size, "%.*s", (int)text.size, (const char *)text.data);
        out[strcspn(out, " \t\r\n")] = '\0';
        rg_free(mem, (void *)text.data);
    }
}

rg_status rg_hub_ask_open(rg_hub_ask *ask, const rg_mem *mem, const rg_hub_name *name,
                          rg_error *err) {
    static const struct {
        const char *variable;
        const char *usual;
    } hubs[] = {[RG_HUB_HF] = {"RAGA_ENDPOINT_HF", "https://huggingface.co"},
                [RG_HUB_MS] = {"RAGA_ENDPOINT_MS", "https://modelscope.cn"},
                [RG_HUB_OLLAMA] = {"RAGA_ENDPOINT_OLLAMA", "https://registry.ollama.ai"}};
    *ask = (rg_hub_ask){.name = name};
    if (name->kind == RG_HUB_URL) {
        return RG_OK;
    }
    const char *own = env(hubs[name->kind].variable);
    const char *endpoint = own == NULL ? hubs[name->kind].usual : own;
    size_t n = strlen(endpoint);
    while (n > 0 && endpoint[n - 1] == '/') {
        n--;
    }
    const bool is_https = strncmp(endpoint, "https://", 8) == 0;
    if ((!is_https && strncmp(endpoint, "http://", 7) != 0) || n >= sizeof ask->endpoint ||
        strcspn(endpoint, " \t\r\n?#@") < n) {
        return rg_fail(err, RG_E_ARG, "%s is no address of a hub: https://HOST[:PORT][/PATH]",
                       hubs[name->kind].variable);
    }
    memcpy(ask->endpoint, endpoint, n);
    const char *host = endpoint + (is_https ? 8 : 7);
    const rg_str bare = {host, host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/")};
    if (is_https || rg_hub_is_local(bare)) {
        if (name->kind == RG_HUB_HF) {
            read_token(mem, ask->token, sizeof ask->token);
        } else if (name->kind == RG_HUB_MS && env("MODELSCOPE_API_TOKEN") != NULL) {
            snprintf(ask->token, sizeof ask->token, "%s", env("MODELSCOPE_API_TOKEN"));
        }
    }
    return RG_OK;
}

// ---- addresses ----

static const char *revision_of(const rg_hub_ask *a, const rg_hub_listing *l) {
    return l->revision[0] != '\0'         ? l->revision
           : a->name->revision[0] != '\0' ? a->name->revision
           : a->name->kind == RG_HUB_MS   ? "master"
                                          : "main";
}

static void put_repo(const rg_hub_ask *a, const char *before, rg_buf *out) {
    rg_buf_str(out, rg_str_of(a->endpoint));
    rg_buf_str(out, rg_str_of(before));
    rg_buf_format(out, "%s/%s", a->name->owner, a->name->repo);
}

void rg_hub_ask_url(const rg_hub_ask *a, const rg_hub_listing *l, const rg_hub_file *f,
                    rg_buf *out) {
    const rg_str revision = rg_str_of(revision_of(a, l));
    switch (a->name->kind) {
    case RG_HUB_HF:
        put_repo(a, "/", out);
        rg_buf_str(out, RG_STR("/resolve/"));
        rg_http_encode(out, revision, false);
        rg_buf_char(out, '/');
        rg_http_encode(out, f->path, true);
        break;
    case RG_HUB_MS:
        put_repo(a, "/api/v1/models/", out);
        rg_buf_str(out, RG_STR("/repo?Revision="));
        rg_http_encode(out, revision, false);
        rg_buf_str(out, RG_STR("&FilePath="));
        rg_http_encode(out, f->path, false);
        break;
    case RG_HUB_OLLAMA:
        put_repo(a, "/v2/", out);
        rg_buf_format(out, "/blobs/sha256:%s", f->sha256);
        break;
    case RG_HUB_URL:
        rg_buf_str(out, rg_str_of(a->name->url));
        break;
    }
}

// ---- questions ----

/** A request and its answer. */
typedef struct question {
    const rg_hub_ask *a;
    const rg_mem *mem;
    rg_http *http;
    rg_buf url;
    rg_buf body;
    rg_http_reply reply;
} question;

static void begin(question *q) {
    rg_buf_clear(&q->url);
}

static rg_status ask(question *q, const char *accept, size_t limit, rg_error *err) {
    rg_buf_clear(&q->body);
    q->body.limit_bytes = limit;
    const rg_status status = rg_buf_check(&q->url, "the address of a question", err);
    return status != RG_OK ? status
                           : rg_http_get(q->http, rg_buf_cstr(&q->url), q->a->name->text, accept,
                                         &q->body, &q->reply, err);
}

// the ids of a search as names; false when there are none
static bool search(question *q, const char *key, const char *word, char *out, size_t size) {
    rg_arena arena;
    rg_error own = {0};
    const rg_json *json = NULL;
    rg_arena_init(&arena, q->mem, 16u << 20);
    out[0] = '\0';
    begin(q);
    rg_buf_format(&q->url, "%s/api/models?limit=5&%s=%s", q->a->endpoint, key, word);
    const bool is_list = ask(q, "application/json", RG_HUB_MANIFEST_MAX, &own) == RG_OK &&
                         rg_json_parse(&arena, rg_buf_view(&q->body), &json, &own) == RG_OK &&
                         json->kind == RG_JSON_ARRAY;
    for (size_t i = 0; is_list && i < json->n && i < 5; i++) {
        rg_str id = {0};
        rg_hub_name name;
        char text[RG_HUB_OWNER_MAX * 2 + 8];
        (void)rg_json_str(rg_json_find(&json->items[i], "id"), &id);
        snprintf(text, sizeof text, "hf:%.*s", RG_FMT(id));
        const size_t used = strlen(out);
        // what is no name is not repeated
        if (rg_hub_name_parse(text, &name, NULL) == RG_OK && used + strlen(text) + 3 < size) {
            snprintf(out + used, size - used, "%s%s", used == 0 ? "" : ", ", text);
        }
    }
    rg_arena_clear(&arena);
    return out[0] != '\0';
}

// models named so of another owner, or others of this owner: the sentence of the failure gets them
static void suggest(question *q, rg_error *err) {
    char near[256];
    const size_t used = err == NULL ? RG_ERROR_BYTES : strlen(err->text);
    if (used + sizeof near < RG_ERROR_BYTES &&
        (search(q, "search", q->a->name->repo, near, sizeof near) ||
         search(q, "author", q->a->name->owner, near, sizeof near))) {
        snprintf(err->text + used, RG_ERROR_BYTES - used, "; there are %s", near);
    }
}

static rg_status list_hf(question *q, rg_hub_listing *l, rg_error *err) {
    rg_status status = RG_OK;
    char next[RG_HTTP_URL_MAX];
    char first[RG_HTTP_URL_MAX];
    begin(q);
    put_repo(q->a, "/api/models/", &q->url);
    rg_buf_str(&q->url, RG_STR("/revision/"));
    rg_http_encode(&q->url, rg_str_of(revision_of(q->a, l)), false);
    status = ask(q, "application/json", RG_HUB_MANIFEST_MAX * 4, err);
    if (status == RG_E_NOT_FOUND) {
        suggest(q, err);
    }
    if (status != RG_OK) {
        goto done;
    }
    RG_TRY(rg_hub_listing_facts_of_hf(l, rg_buf_view(&q->body), err));
    begin(q);
    put_repo(q->a, "/api/models/", &q->url);
    rg_buf_format(&q->url, "/tree/%s?recursive=true", l->revision);
    snprintf(first, sizeof first, "%s", rg_buf_cstr(&q->url));
    for (size_t page = 0;; page++) {
        if (page == RG_PULL_PAGES_MAX) {
            status =
                rg_fail(err, RG_E_LIMIT, "the listing has more than %d pages", RG_PULL_PAGES_MAX);
            goto done;
        }
        RG_TRY(ask(q, "application/json", RG_HUB_MANIFEST_MAX, err));
        RG_TRY(rg_hub_listing_of_hf(l, rg_buf_view(&q->body), err));
        if (q->reply.next[0] == '\0') {
            break;
        }
        // pages are the hub's own: an address elsewhere gets no token, and none leads down to http
        RG_TRY(rg_http_redirect(first, q->reply.next, next, err));
        begin(q);
        rg_buf_str(&q->url, rg_str_of(next));
    }

done:
    return status;
}

static rg_status list_ms(question *q, rg_hub_listing *l, rg_error *err) {
    rg_error own = {0};
    begin(q);
    put_repo(q->a, "/api/v1/models/", &q->url);
    rg_buf_str(&q->url, RG_STR("/repo/files?Recursive=true&Revision="));
    rg_http_encode(&q->url, rg_str_of(revision_of(q->a, l)), false);
    rg_status status = ask(q, "application/json", RG_HUB_MANIFEST_MAX * 4, err);
    if (status == RG_OK) {
        status = rg_hub_listing_of_ms(l, rg_buf_view(&q->body), err);
    }
    if (status == RG_OK) {
        // the license is told when the hub tells it
        begin(q);
        put_repo(q->a, "/api/v1/models/", &q->url);
        if (ask(q, "application/json", RG_HUB_MANIFEST_MAX, &own) == RG_OK) {
            (void)!rg_hub_listing_facts_of_ms(l, rg_buf_view(&q->body), &own);
        }
    }
    return status;
}

// the first line of a license that is a layer
static void read_license(question *q, rg_hub_listing *l) {
    rg_error own = {0};
    const rg_hub_file *file = rg_hub_listing_find(l, RG_STR("LICENSE"));
    if (file == NULL) {
        return;
    }
    begin(q);
    rg_hub_ask_url(q->a, l, file, &q->url);
    if (ask(q, NULL, 1u << 20, &own) != RG_OK) {
        return;
    }
    const char *p = q->body.data;
    const char *end = p + q->body.size;
    while (p < end && (unsigned char)*p <= ' ') {
        p++;
    }
    size_t n = 0;
    while (p < end && (unsigned char)*p >= ' ' && *p != 0x7F && n < RG_HUB_LICENSE_MAX) {
        l->license[n++] = *p++;
    }
    l->license[n] = '\0';
}

static rg_status list_ollama(question *q, rg_hub_listing *l, rg_error *err) {
    begin(q);
    put_repo(q->a, "/v2/", &q->url);
    rg_buf_format(&q->url, "/manifests/%s", q->a->name->pick);
    rg_status status =
        ask(q, "application/vnd.docker.distribution.manifest.v2+json", RG_HUB_MANIFEST_MAX, err);
    if (status == RG_OK) {
        status = rg_hub_listing_of_ollama(l, q->a->name, rg_buf_view(&q->body), err);
    }
    if (status == RG_OK) {
        read_license(q, l);
    }
    return status;
}

// the last part of an address, as a file's name
static void name_of_url(const char *url, char *out, size_t size) {
    const size_t end = strcspn(url, "?");
    size_t from = end;
    while (from > 0 && url[from - 1] != '/') {
        from--;
    }
    size_t n = 0;
    for (size_t i = from; i < end && n + 1 < size && n < 200; i++) {
        const char c = url[i];
        const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                              (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
        out[n++] = is_plain ? c : '_';
    }
    out[n] = '\0';
    if (strcmp(out, ".") == 0 || strcmp(out, "..") == 0) {
        snprintf(out, size, "file");
    }
}

// what tells this version of a file from the next one; without any sign no part is ever gone on
// with
static void set_tag(rg_hub_file *f, const char *url, const rg_http_reply *r) {
    const uint64_t now = rg_clock_ns();
    uint64_t h = rg_hash(url, strlen(url), f->size);
    h = rg_hash(r->etag, strlen(r->etag), h);
    h = rg_hash(r->modified, strlen(r->modified), h);
    h = r->etag[0] == '\0' && r->modified[0] == '\0' ? rg_hash(&now, sizeof now, h) : h;
    snprintf(f->tag, sizeof f->tag, "%016llx", (unsigned long long)h);
}

static rg_status list_url(question *q, rg_hub_listing *l, rg_error *err) {
    char place[RG_HTTP_URL_MAX];
    char file_name[256];
    rg_hub_file *f = NULL;
    const rg_http_reply *r = &q->reply;
    rg_status status = rg_http_head(q->http, q->a->name->url, &q->reply, place, err);
    if (status != RG_OK) {
        return status;
    }
    if (!r->has_length) {
        return rg_fail(err, RG_E_UNSUPPORTED, "the server does not state the file's size");
    }
    name_of_url(q->a->name->url, file_name, sizeof file_name);
    status = rg_hub_listing_add(l, rg_str_of(file_name), &f, err);
    if (status == RG_OK) {
        f->size = r->length;
        f->has_size = true;
        memcpy(f->sha256, q->a->name->sha256, sizeof f->sha256);
        set_tag(f, q->a->name->url, r);
    }
    return status;
}

rg_status rg_hub_ask_listing(const rg_hub_ask *a, const rg_mem *mem, rg_http *http,
                             rg_hub_listing *l, rg_error *err) {
    question q = {.a = a, .mem = mem, .http = http};
    rg_buf_init(&q.url, mem, RG_HTTP_URL_MAX);
    rg_buf_init(&q.body, mem, RG_HUB_MANIFEST_MAX);
    const rg_status status = a->name->kind == RG_HUB_HF       ? list_hf(&q, l, err)
                             : a->name->kind == RG_HUB_MS     ? list_ms(&q, l, err)
                             : a->name->kind == RG_HUB_OLLAMA ? list_ollama(&q, l, err)
                                                              : list_url(&q, l, err);
    rg_buf_clear(&q.url);
    rg_buf_clear(&q.body);
    return status;
}
