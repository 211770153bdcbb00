#include "hub/hub_name.h"

#include "base/utf8.h"

#include <stdio.h>

static const struct {
    const char *prefix;
    rg_hub_kind kind;
} hubs[] = {{"hf:", RG_HUB_HF},
            {"ms:", RG_HUB_MS},
            {"ollama:", RG_HUB_OLLAMA},
            {"https://", RG_HUB_URL},
            {"http://", RG_HUB_URL}};

enum { N_HUBS = sizeof hubs / sizeof *hubs };

static bool is_letter_or_digit(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool rg_hub_is_sha256(rg_str text) {
    for (size_t i = 0; i < text.size; i++) {
        const char c = text.data[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) {
            return false;
        }
    }
    return text.size == 64;
}

bool rg_hub_path_is_safe(rg_str path) {
    size_t depth = 1;
    size_t begin = 0;
    if (path.size == 0 || path.size > RG_HUB_PATH_MAX || !rg_utf8_is_valid(path)) {
        return false;
    }
    for (size_t i = 0; i <= path.size; i++) {
        const unsigned char c = i == path.size ? '/' : (unsigned char)path.data[i];
        // C1 controls are two bytes, the first of them 0xC2
        const bool is_c1 = c == 0xC2 && i + 1 < path.size && (unsigned char)path.data[i + 1] < 0xA0;
        if (c < 0x20 || c == 0x7F || c == '\\' || is_c1) {
            return false;
        }
        if (c == '/') {
            const rg_str part = {path.data + begin, i - begin};
            if (part.size == 0 || part.size > 255 || rg_str_is(part, ".") ||
                rg_str_is(part, "..")) {
                return false;
            }
            depth += i != path.size;
            begin = i + 1;
        }
    }
    return depth <= RG_HUB_DEPTH_MAX;
}

bool rg_hub_is_local(rg_str host) {
    static const char *const names[] = {"localhost", "127.0.0.1", "[::1]"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (rg_str_is(host, names[i])) {
            return true;
        }
    }
    return false;
}

// a part of a name into its field: letters, digits and what `also` has; begins with a letter or
// digit
static rg_status take(rg_str part, const char *what, const char *also, char *out, size_t limit,
                      rg_error *err) {
    if (part.size == 0) {
        return rg_fail(err, RG_E_ARG, "the name has no %s", what);
    }
    if (part.size > limit) {
        return rg_fail(err, RG_E_LIMIT, "the %s in the name has %zu bytes, limit %zu", what,
                       part.size, limit);
    }
    for (size_t i = 0; i < part.size; i++) {
        const char c = part.data[i];
        if (!is_letter_or_digit(c) && (i == 0 || c == '\0' || strchr(also, c) == NULL)) {
            return rg_fail(err, RG_E_ARG,
                           "byte 0x%02x at place %zu does not belong into the %s of a name",
                           (unsigned char)c, i, what);
        }
        if (c == '.' && i + 1 < part.size && part.data[i + 1] == '.') {
            return rg_fail(err, RG_E_ARG, "\"..\" does not belong into the %s of a name", what);
        }
    }
    memcpy(out, part.data, part.size);
    out[part.size] = '\0';
    return RG_OK;
}

// what comes before the first `c`, and what comes behind it
static bool cut(rg_str text, char c, rg_str *before, rg_str *behind) {
    const char *at = text.size == 0 ? NULL : memchr(text.data, c, text.size);
    const size_t n = at == NULL ? text.size : (size_t)(at - text.data);
    *before = rg_str_slice(text, 0, n);
    *behind = rg_str_slice(text, at == NULL ? n : n + 1, text.size);
    return at != NULL;
}

static rg_status parse_pick(rg_str pick, rg_hub_name *out, rg_error *err) {
    if (pick.size == 0) {
        return rg_fail(err, RG_E_ARG, "nothing stands behind the colon of the name");
    }
    if (pick.size > RG_HUB_PICK_MAX) {
        return rg_fail(err, RG_E_LIMIT, "the file in the name has %zu bytes, limit %d", pick.size,
                       RG_HUB_PICK_MAX);
    }
    if (!rg_hub_path_is_safe(pick)) {
        return rg_fail(err, RG_E_ARG,
                       "what stands behind the colon of the name is no file of a repository");
    }
    memcpy(out->pick, pick.data, pick.size);
    out->pick[pick.size] = '\0';
    return RG_OK;
}

// owner/repo[:pick][@revision]
static rg_status parse_repo(rg_str rest, rg_hub_name *out, rg_error *err) {
    rg_str owner, repo, pick, revision;
    rg_status status = RG_OK;
    // a revision has no colon and a file may have an @: the last @ behind all colons begins it
    size_t at = rest.size;
    while (at > 0 && rest.data[at - 1] != '@') {
        at--;
    }
    const bool has_revision = at > 0;
    revision = rg_str_slice(rest, at, rest.size);
    rest = has_revision ? rg_str_slice(rest, 0, at - 1) : rest;
    const bool has_pick = cut(rest, ':', &rest, &pick);
    if (!cut(rest, '/', &owner, &repo)) {
        return rg_fail(err, RG_E_ARG,
                       "a name of this hub is OWNER/REPOSITORY, as in hf:Qwen/Qwen3-0.6B");
    }
    RG_TRY(take(owner, "owner", "-_.", out->owner, RG_HUB_OWNER_MAX, err));
    RG_TRY(take(repo, "repository", "-_.", out->repo, RG_HUB_OWNER_MAX, err));
    if (has_revision) {
        RG_TRY(take(revision, "revision", "-_./", out->revision, RG_HUB_REVISION_MAX, err));
    }
    if (has_pick) {
        RG_TRY(parse_pick(pick, out, err));
    }
    snprintf(out->text, sizeof out->text, "%s%s/%s%s%s%s%s", hubs[out->kind].prefix, out->owner,
             out->repo, has_pick ? ":" : "", out->pick, has_revision ? "@" : "", out->revision);

done:
    return status;
}

// [namespace/]name[:tag]
static rg_status parse_ollama(rg_str rest, rg_hub_name *out, rg_error *err) {
    rg_str name, tag, owner, repo;
    rg_status status = RG_OK;
    const bool has_tag = cut(rest, ':', &name, &tag);
    if (!cut(name, '/', &owner, &repo)) {
        repo = owner;
        owner = RG_STR("library");
    }
    RG_TRY(take(owner, "namespace", "-_.", out->owner, RG_HUB_OWNER_MAX, err));
    RG_TRY(take(repo, "model", "-_.", out->repo, RG_HUB_OWNER_MAX, err));
    RG_TRY(take(has_tag ? tag : RG_STR("latest"), "tag", "-_.", out->pick, RG_HUB_OWNER_MAX, err));
    const bool is_library = strcmp(out->owner, "library") == 0;
    snprintf(out->text, sizeof out->text, "ollama:%s%s%s:%s", is_library ? "" : out->owner,
             is_library ? "" : "/", out->repo, out->pick);

done:
    return status;
}

// a page of a hub names a repository, and perhaps a file: [/blob|resolve|tree/revision[/file]]
static bool parse_page(rg_str url, rg_hub_name *out) {
    static const struct {
        const char *head;
        rg_hub_kind kind;
    } pages[] = {{"https://huggingface.co/", RG_HUB_HF},
                 {"https://hf.co/", RG_HUB_HF},
                 {"https://modelscope.cn/models/", RG_HUB_MS},
                 {"https://www.modelscope.cn/models/", RG_HUB_MS},
                 {"https://ollama.com/library/", RG_HUB_OLLAMA}};
    char text[RG_HUB_NAME_MAX + 1];
    rg_str owner, repo, how, revision, file;
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++) {
        if (!rg_str_starts(url, rg_str_of(pages[i].head))) {
            continue;
        }
        rg_str rest = rg_str_slice(url, strlen(pages[i].head), url.size);
        cut(rest, '?', &rest, &how);
        if (pages[i].kind == RG_HUB_OLLAMA) {
            snprintf(text, sizeof text, "ollama:%.*s", RG_FMT(rest));
        } else {
            cut(rest, '/', &owner, &rest);
            cut(rest, '/', &repo, &rest);
            cut(rest, '/', &how, &rest);
            const bool is_place =
                rg_str_is(how, "blob") || rg_str_is(how, "resolve") || rg_str_is(how, "tree");
            cut(rest, '/', &revision, &file);
            if (how.size != 0 && !is_place) {
                return false;
            }
            snprintf(text, sizeof text, "%s%.*s/%.*s%s%.*s%s%.*s", hubs[pages[i].kind].prefix,
                     RG_FMT(owner), RG_FMT(repo), file.size == 0 ? "" : ":", RG_FMT(file),
                     revision.size == 0 ? "" : "@", RG_FMT(revision));
        }
        return rg_hub_name_parse(text, out, NULL) == RG_OK;
    }
    return false;
}

static rg_status parse_url(rg_str url, rg_hub_name *out, rg_error *err) {
    static const char mark[] = "sha256=";
    rg_str address, fragment, scheme_rest, host, port;
    for (size_t i = 0; i < url.size; i++) {
        const unsigned char c = (unsigned char)url.data[i];
        if (c <= 0x20 || c >= 0x7F || strchr("\"<>\\^`{|}", c) != NULL) {
            return rg_fail(err, RG_E_ARG,
                           "byte 0x%02x at place %zu does not belong into an address", c, i);
        }
    }
    if (parse_page(url, out)) {
        return RG_OK;
    }
    *out = (rg_hub_name){.kind = RG_HUB_URL};
    if (cut(url, '#', &address, &fragment)) {
        const rg_str hex = rg_str_slice(fragment, sizeof mark - 1, fragment.size);
        if (!rg_str_starts(fragment, rg_str_of(mark)) || !rg_hub_is_sha256(hex)) {
            return rg_fail(err, RG_E_ARG,
                           "behind the # of an address belongs sha256= and 64 "
                           "hexadecimal digits in lower case");
        }
        memcpy(out->sha256, hex.data, hex.size);
    }
    const bool is_plain = rg_str_starts(address, RG_STR("http://"));
    scheme_rest = rg_str_slice(address, is_plain ? 7 : 8, address.size);
    cut(scheme_rest, '/', &host, &fragment);
    if (memchr(host.data, '@', host.size) != NULL) {
        return rg_fail(err, RG_E_ARG, "a user or password does not belong into an address");
    }
    if (host.size != 0 && host.data[0] == '[') {
        cut(host, ']', &host, &port);
        host.size++; // with its bracket
    } else {
        cut(host, ':', &host, &port);
    }
    if (host.size == 0 || fragment.size == 0 || fragment.data[fragment.size - 1] == '/') {
        return rg_fail(err, RG_E_ARG, "the address names no file on a host");
    }
    if (is_plain && !rg_hub_is_local(host)) {
        return rg_fail(err, RG_E_ARG, "http:// is for this machine alone; use https://");
    }
    memcpy(out->url, address.data, address.size);
    snprintf(out->text, sizeof out->text, "%s%s%s", out->url,
             out->sha256[0] == '\0' ? "" : "#sha256=", out->sha256);
    return RG_OK;
}

static const rg_hub_known *find_known(const char *text) {
    for (size_t i = 0; rg_hub_known_at(i) != NULL; i++) {
        if (strcmp(rg_hub_known_at(i)->name, text) == 0) {
            return rg_hub_known_at(i);
        }
    }
    return NULL;
}

bool rg_hub_name_is(const char *text) {
    for (size_t i = 0; i < N_HUBS; i++) {
        if (strncmp(text, hubs[i].prefix, strlen(hubs[i].prefix)) == 0) {
            return true;
        }
    }
    return find_known(text) != NULL;
}

rg_status rg_hub_name_parse(const char *text, rg_hub_name *out, rg_error *err) {
    const size_t size = strlen(text);
    if (size > RG_HUB_NAME_MAX) {
        return rg_fail(err, RG_E_LIMIT, "the name has %zu bytes, limit %d", size, RG_HUB_NAME_MAX);
    }
    const rg_hub_known *row = find_known(text);
    text = row == NULL ? text : row->target;
    for (size_t i = 0; i < N_HUBS; i++) {
        const size_t n = strlen(hubs[i].prefix);
        if (strncmp(text, hubs[i].prefix, n) != 0) {
            continue;
        }
        rg_hub_name name = {.kind = hubs[i].kind};
        const rg_status status = name.kind == RG_HUB_URL ? parse_url(rg_str_of(text), &name, err)
                                 : name.kind == RG_HUB_OLLAMA
                                     ? parse_ollama(rg_str_of(text + n), &name, err)
                                     : parse_repo(rg_str_of(text + n), &name, err);
        if (status == RG_OK) {
            *out = name;
        }
        return status;
    }
    return rg_fail(err, RG_E_ARG,
                   "a name of a model begins with hf:, ms:, ollama: or https://, as in "
                   "hf:Qwen/Qwen3-0.6B; `raga pull --known` lists short names");
}
