#include "hub/hub_fetch.h"

#include "base/clock.h"
#include "hub/hub_hash.h"
#include "hub/hub_part.h"

#include <curl/curl.h>
#include <stdio.h>

enum {
    CONNECTIONS = 8,
    SPAN_PIECES_MAX = 256, // what one request asks for at most
    SYNC_MS = 1000,
    PROGRESS_MS = 100,
    POLL_MS = 100,
    RATE_POLL_MS = 10,        // between fillings of the budget
    HASH_BYTES = 4 << 20,     // taken in between two looks at the network
    REFUSALS_MAX = 3,         // in a row, behind redirects
    DISCARD_BYTES = 64 << 10, // of a page that comes with an error
    NS_MS = 1000000,
};

/** A file on its way. */
typedef struct job {
    rg_fetch_file *file;
    rg_part part;
    rg_hub_hash hash;
    char place[RG_HTTP_URL_MAX]; // where redirects led; "": not known
    bool is_whole;               // the server gives no ranges
    bool is_open;
    bool is_done;
    bool was_wrong;     // its hash was, once
    unsigned n_failed;  // in a row
    unsigned n_refused; // in a row, behind redirects
    uint64_t wake_ns;   // not before
    unsigned n_workers;
} job;

/** A connection. */
typedef struct worker {
    rg_http_transfer t;
    struct fetch *fetch;
    job *job; // NULL: idle
    uint64_t begin, at, end;
    uint64_t asked_end; // of the request; more than end when another connection took the rest over
    char url[RG_HTTP_URL_MAX];
    unsigned hops;
    bool is_checked; // the answer was looked at and its bytes are wanted
    bool is_refused; // the answer gives no bytes that are wanted
    bool is_dropped; // its bytes are not wanted any more
    bool is_paused;  // for the rate
    size_t n_discarded;
} worker;

typedef struct fetch {
    const rg_mem *mem;
    rg_http *http;
    const rg_fetch_options *options;
    CURLM *multi;
    job *jobs;
    size_t n_jobs;
    size_t n_done;
    worker *workers;
    unsigned n_workers;
    rg_status status; // of what ends it all
    rg_error *err;
    uint64_t total_bytes;
    uint64_t sync_ns, progress_ns;
    // speed: bytes at the beginning of the last stretches of a second
    uint64_t marks_ns[8], marks_bytes[8], new_bytes;
    unsigned n_marks;
    double budget;      // bytes that may come under a rate; negative: too many came
    uint64_t budget_ns; // when it was filled
    char waiting[RG_ERROR_BYTES];
} fetch;

static void end_with(fetch *f, rg_status status) {
    if (f->status == RG_OK) {
        f->status = status;
    }
}

// ---- pieces ----

static void release(worker *w) {
    rg_part *part = &w->job->part;
    const size_t first = (size_t)(w->begin / RG_PART_PIECE_BYTES);
    for (size_t i = first; i < part->n_pieces && rg_part_begin(i) < w->end; i++) {
        if (part->pieces[i] == RG_PART_TAKEN) {
            part->pieces[i] = RG_PART_FREE;
        }
    }
    w->job->n_workers--;
    w->job = NULL;
    w->is_paused = false;
}

// the next run of free pieces of a file, at most `most` of them
static bool free_run(const rg_part *part, size_t most, size_t *from, size_t *to) {
    size_t i = 0;
    while (i < part->n_pieces && part->pieces[i] != RG_PART_FREE) {
        i++;
    }
    *from = i;
    while (i < part->n_pieces && part->pieces[i] == RG_PART_FREE && i - *from < most) {
        i++;
    }
    *to = i;
    return *to > *from;
}

// half of what a slower connection still has before it, for one that has nothing
static bool split(fetch *f, worker *w) {
    worker *most = NULL;
    for (unsigned i = 0; i < f->n_workers; i++) {
        worker *v = &f->workers[i];
        if (v->job != NULL && !v->job->is_whole && !v->is_dropped &&
            v->end - v->at >= 4 * (uint64_t)RG_PART_PIECE_BYTES &&
            (most == NULL || v->end - v->at > most->end - most->at)) {
            most = v;
        }
    }
    if (most == NULL) {
        return false;
    }
    const uint64_t middle = most->at + (most->end - most->at) / 2;
    const uint64_t cut = (middle / RG_PART_PIECE_BYTES + 1) * RG_PART_PIECE_BYTES;
    w->job = most->job;
    w->begin = w->at = cut;
    w->end = most->end;
    most->end = cut;
    return true;
}

// something to do for an idle connection
static bool find_work(fetch *f, worker *w, uint64_t now) {
    for (size_t i = 0; i < f->n_jobs; i++) {
        job *j = &f->jobs[i];
        size_t from = 0, to = 0;
        if (!j->is_open || now < j->wake_ns || (j->is_whole && j->n_workers > 0)) {
            continue;
        }
        size_t n_free = 0;
        for (size_t p = 0; p < j->part.n_pieces; p++) {
            n_free += j->part.pieces[p] == RG_PART_FREE;
        }
        size_t most = n_free / f->n_workers + 1;
        most = most > SPAN_PIECES_MAX ? SPAN_PIECES_MAX : most;
        if (!free_run(&j->part, j->is_whole ? SIZE_MAX : most, &from, &to)) {
            continue;
        }
        for (size_t p = from; p < to; p++) {
            j->part.pieces[p] = RG_PART_TAKEN;
        }
        w->job = j;
        w->begin = w->at = rg_part_begin(from);
        w->end = rg_part_end(&j->part, to - 1);
        return true;
    }
    return split(f, w);
}

// ---- answers ----

// the server states another size than the hub: nothing of it can be right
static bool wrong_size(worker *w, uint64_t size) {
    const rg_fetch_file *file = w->job->file;
    end_with(w->fetch, rg_fail(w->fetch->err, RG_E_FORMAT,
                               "%s: the hub states %llu bytes, the server sends %llu", file->name,
                               (unsigned long long)file->size, (unsigned long long)size));
    return false;
}

static void drop_others(fetch *f, const worker *keep, const job *j) {
    for (unsigned i = 0; i < f->n_workers; i++) {
        worker *w = &f->workers[i];
        w->is_dropped = w->is_dropped || (w != keep && w->job == j);
    }
}

// a server that ignores ranges begins anew: one connection takes all
static bool take_whole(worker *w) {
    fetch *f = w->fetch;
    job *j = w->job;
    if (!j->is_whole) {
        j->is_whole = true;
        drop_others(f, w, j);
    }
    const rg_status status = rg_part_reset(&j->part, f->err);
    if (status != RG_OK) {
        end_with(f, status);
        return false;
    }
    rg_hub_hash_clear(&j->hash);
    memset(j->part.pieces, RG_PART_TAKEN, j->part.n_pieces);
    w->begin = w->at = 0;
    w->end = w->asked_end = j->file->size;
    return true;
}

// are these the bytes that were asked for? Looked at once, with the first of them
static bool check_answer(worker *w) {
    const rg_http_reply *r = &w->t.reply;
    const rg_fetch_file *file = w->job->file;
    if (r->status == 206) {
        return !r->has_range                  ? false
               : r->range_total != file->size ? wrong_size(w, r->range_total)
                                              : r->range_from == w->at;
    }
    if (r->status != 200) {
        return false;
    }
    if (r->has_length && r->length != file->size) {
        return wrong_size(w, r->length);
    }
    const bool is_asked = w->begin == 0 && w->at == 0 && w->end == file->size;
    return is_asked || take_whole(w);
}

static size_t on_data(char *data, size_t one, size_t size, void *arg) {
    worker *w = arg;
    fetch *f = w->fetch;
    (void)one;
    if (w->is_dropped || f->status != RG_OK) {
        return 0;
    }
    if (!w->is_checked && !w->is_refused) {
        curl_easy_getinfo(w->t.easy, CURLINFO_RESPONSE_CODE, &w->t.reply.status);
        w->is_checked = check_answer(w);
        w->is_refused = !w->is_checked;
    }
    if (w->is_refused) {
        w->n_discarded += size;
        return w->n_discarded > DISCARD_BYTES || f->status != RG_OK ? 0 : size;
    }
    if (f->options->bytes_s != 0 && f->budget < 0) {
        w->is_paused = true; // these bytes come again
        return CURL_WRITEFUNC_PAUSE;
    }
    const uint64_t left = w->end - w->at;
    const size_t n = size > left ? (size_t)left : size;
    const rg_status status = rg_part_write(&w->job->part, w->at, data, n, f->err);
    if (status != RG_OK) {
        end_with(f, status);
        return 0;
    }
    // pieces that end within these bytes are whole
    rg_part *part = &w->job->part;
    for (size_t i = (size_t)(w->at / RG_PART_PIECE_BYTES);
         i < part->n_pieces && rg_part_end(part, i) <= w->at + n; i++) {
        rg_part_mark(part, i);
        w->job->n_failed = 0;
        w->job->n_refused = 0;
    }
    w->at += n;
    f->new_bytes += n;
    f->budget -= (double)n;
    f->waiting[0] = '\0';
    // more than was asked for, or what another connection took over
    return n < size || (w->at == w->end && w->end < w->asked_end) ? 0 : size;
}

// ---- requests ----

static void start(fetch *f, worker *w) {
    job *j = w->job;
    const bool is_all = w->at == 0 && w->end == j->file->size;
    w->is_checked = w->is_refused = w->is_dropped = w->is_paused = false;
    w->n_discarded = 0;
    w->asked_end = w->end;
    const rg_status status =
        rg_http_prepare(&w->t, f->http, w->url, strcmp(w->url, j->file->url) != 0, w->at,
                        is_all || j->is_whole ? 0 : w->end, on_data, w, f->err);
    if (status != RG_OK) {
        end_with(f, status);
        return;
    }
    curl_easy_setopt(w->t.easy, CURLOPT_PRIVATE, w);
    if (curl_multi_add_handle(f->multi, w->t.easy) != CURLM_OK) {
        end_with(f, rg_fail(f->err, RG_E_MEMORY, "libcurl takes no further connection"));
    }
}

static void try_later(fetch *f, job *j, uint64_t wait_ms) {
    const uint64_t wake = rg_clock_ns() + wait_ms * NS_MS;
    j->wake_ns = wake > j->wake_ns ? wake : j->wake_ns;
    snprintf(f->waiting, sizeof f->waiting, "%s", f->err->text);
    *f->err = (rg_error){0};
}

// the request failed in a way that may pass
static void failed(fetch *f, job *j, bool has_wait, uint64_t wait_s) {
    if (j->n_failed >= rg_http_retries(f->http) || (has_wait && wait_s > RG_HTTP_WAIT_MAX)) {
        end_with(f, f->err->status);
        return;
    }
    // failures of connections that fell together count once
    const bool is_new = rg_clock_ns() >= j->wake_ns;
    try_later(f, j,
              has_wait ? wait_s * 1000
              : is_new ? rg_http_backoff_ms(f->http, j->n_failed)
                       : 0);
    j->n_failed += is_new;
}

// an answer that is a redirect, or gives no bytes; true when the request goes on
static bool other_answer(fetch *f, worker *w, long status) {
    job *j = w->job;
    rg_http_reply *r = &w->t.reply;
    if (status >= 300 && status < 400 && status != 304) {
        char next[RG_HTTP_URL_MAX];
        if (r->has_linked_size && r->linked_size != j->file->size) {
            return wrong_size(w, r->linked_size);
        }
        if (j->file->sha256[0] != '\0' && strlen(r->linked_etag) == 64 &&
            strcmp(r->linked_etag, j->file->sha256) != 0) {
            end_with(f,
                     rg_fail(f->err, RG_E_FORMAT,
                             "%s: the hub lists SHA-256 %s and serves %s: it changed; pull again",
                             j->file->name, j->file->sha256, r->linked_etag));
            return false;
        }
        const rg_status redirect = rg_http_redirect(w->url, r->location, next, f->err);
        if (redirect != RG_OK) {
            end_with(f, redirect);
            return false;
        }
        if (++w->hops > RG_HTTP_HOPS_MAX) {
            end_with(f, rg_fail(f->err, RG_E_IO, "%s: more than %d redirects", j->file->name,
                                RG_HTTP_HOPS_MAX));
            return false;
        }
        memcpy(w->url, next, sizeof next);
        start(f, w);
        return f->status == RG_OK;
    }
    if (status == 416) {
        end_with(f,
                 rg_fail(f->err, RG_E_FORMAT, "%s: the hub states %llu bytes, the server has fewer",
                         j->file->name, (unsigned long long)j->file->size));
        return false;
    }
    if (status == 200 || status == 206) {
        // refused by check_answer: another range than was asked for
        (void)rg_fail(f->err, RG_E_IO, "%s: the server sends another range than was asked for",
                      j->file->name);
        failed(f, j, false, 0);
        return false;
    }
    const rg_status refused = rg_http_refused(f->http, r, j->file->name, f->err);
    const bool is_behind = w->hops > 0 || strcmp(w->url, j->file->url) != 0;
    if (rg_http_may_retry(status)) {
        failed(f, j, r->has_retry_after, r->retry_after_s);
    } else if (!is_behind) {
        end_with(f, refused);
    } else {
        // addresses behind redirects are signed for a time: the hub is asked for a new one.
        // What connections that began together are told counts once
        const bool is_new = rg_clock_ns() >= j->wake_ns;
        j->n_refused += is_new;
        j->place[0] = '\0';
        (void)rg_fail(f->err, RG_E_IO, "%s: the hub redirects to where status %ld is the answer",
                      j->file->name, status);
        if (j->n_refused > REFUSALS_MAX) {
            end_with(f, RG_E_IO);
        } else {
            failed(f, j, false, 0);
        }
    }
    return false;
}

static void finished(fetch *f, worker *w, CURLcode code) {
    job *j = w->job;
    long status = 0;
    curl_easy_getinfo(w->t.easy, CURLINFO_RESPONSE_CODE, &status);
    w->t.reply.status = status;
    curl_multi_remove_handle(f->multi, w->t.easy);
    if (f->status != RG_OK || w->is_dropped) {
        release(w);
        return;
    }
    if (w->is_checked && w->at == w->end) {
        if (w->hops > 0) {
            memcpy(j->place, w->url, sizeof j->place);
        }
        release(w);
        return;
    }
    if (code != CURLE_OK && !(code == CURLE_WRITE_ERROR && w->is_refused)) {
        if (rg_http_is_lasting(&w->t, (int)code, w->url, f->err)) {
            end_with(f, f->err->status);
        } else {
            failed(f, j, false, 0);
        }
    } else if (w->is_checked) {
        (void)rg_fail(f->err, RG_E_IO, "%s: the connection ended early", j->file->name);
        failed(f, j, false, 0);
    } else if (other_answer(f, w, status)) {
        return;
    }
    release(w);
}

// ---- files ----

static bool has_all(const job *j) {
    return j->part.n_kept + j->part.n_written == j->part.n_pieces;
}

// the hash runs behind what is there from the beginning on; true when there is more to take in
static bool take_in(fetch *f, job *j) {
    uint64_t to = j->hash.at;
    if (j->hash.sha256 == NULL) {
        const rg_status status = rg_hub_hash_begin(&j->hash, j->file->size, f->err);
        if (status != RG_OK) {
            end_with(f, status);
            return false;
        }
        to = 0;
    }
    for (size_t i = (size_t)(to / RG_PART_PIECE_BYTES);
         i < j->part.n_pieces && j->part.pieces[i] >= RG_PART_WRITTEN &&
         to - j->hash.at < HASH_BYTES;
         i++) {
        to = rg_part_end(&j->part, i);
    }
    if (to > j->hash.at) {
        const rg_status status = rg_hub_hash_read(&j->hash, j->part.fd, to, HASH_BYTES, f->err);
        if (status != RG_OK) {
            end_with(f, status);
        }
        return true;
    }
    return false;
}

static rg_status compare(fetch *f, job *j) {
    rg_fetch_file *file = j->file;
    char git[41];
    rg_status status = rg_hub_hash_end(&j->hash, file->found_sha256, git, f->err);
    if (status != RG_OK) {
        return status;
    }
    const bool has_sha256 = file->sha256[0] != '\0';
    const bool is_right = has_sha256             ? strcmp(file->sha256, file->found_sha256) == 0
                          : file->git[0] != '\0' ? strcmp(file->git, git) == 0
                                                 : true;
    if (is_right) {
        j->is_done = true;
        return RG_OK;
    }
    status = rg_part_reset(&j->part, f->err);
    if (status == RG_OK && j->was_wrong) {
        status = rg_fail(f->err, RG_E_FORMAT,
                         "%s: its %s is %s, the hub states %s; it was fetched twice", file->name,
                         has_sha256 ? "SHA-256" : "git hash", has_sha256 ? file->found_sha256 : git,
                         has_sha256 ? file->sha256 : file->git);
    }
    j->was_wrong = true;
    j->place[0] = '\0';
    return status;
}

// opens what may be opened, hashes, and hands over what is complete; true when there is more to
// hash
static bool tend(fetch *f) {
    bool has_more = false;
    for (size_t i = 0; i < f->n_jobs && f->status == RG_OK; i++) {
        job *j = &f->jobs[i];
        if (!j->is_open) {
            continue;
        }
        has_more = take_in(f, j) || has_more;
        if (f->status != RG_OK || j->n_workers > 0 || !has_all(j) || j->hash.at != j->file->size) {
            continue;
        }
        rg_status status = compare(f, j);
        if (status == RG_OK && j->is_done) {
            status = rg_part_sync(&j->part, f->err);
            rg_part_close(&j->part);
            j->is_open = false;
            f->n_done++;
            if (status == RG_OK && f->options->done != NULL) {
                status = f->options->done(f->options->arg, i, f->err);
            }
        }
        if (status != RG_OK) {
            end_with(f, status);
        }
    }
    return has_more;
}

// files are opened a few at a time: each holds two descriptors
static void open_more(fetch *f) {
    unsigned n_open = 0;
    for (size_t i = 0; i < f->n_jobs && n_open <= f->n_workers && f->status == RG_OK; i++) {
        job *j = &f->jobs[i];
        if (!j->is_open && !j->is_done) {
            const rg_status status = rg_part_open(&j->part, f->mem, j->file->path, j->file->size,
                                                  j->file->identity, f->err);
            if (status != RG_OK) {
                rg_error_prefix(f->err, "%s", j->file->name);
                end_with(f, status);
                return;
            }
            j->is_open = true;
        }
        n_open += j->is_open;
    }
}

static void sync_all(fetch *f) {
    for (size_t i = 0; i < f->n_jobs; i++) {
        if (f->jobs[i].is_open) {
            const rg_status status =
                rg_part_sync(&f->jobs[i].part, f->status == RG_OK ? f->err : NULL);
            if (status != RG_OK) {
                end_with(f, status);
            }
        }
    }
}

// ---- progress ----

static uint64_t bytes_there(const fetch *f) {
    uint64_t bytes = 0;
    for (size_t i = 0; i < f->n_jobs; i++) {
        const job *j = &f->jobs[i];
        if (j->is_done) {
            bytes += j->file->size;
        } else if (j->is_open) {
            for (size_t p = 0; p < j->part.n_pieces; p++) {
                bytes += j->part.pieces[p] >= RG_PART_WRITTEN
                             ? rg_part_end(&j->part, p) - rg_part_begin(p)
                             : 0;
            }
        }
    }
    // pieces under way, as far as they are
    for (unsigned i = 0; i < f->n_workers; i++) {
        const worker *w = &f->workers[i];
        if (w->job != NULL && w->is_checked && !w->is_dropped && w->at < w->end) {
            bytes += w->at % RG_PART_PIECE_BYTES;
        }
    }
    return bytes;
}

static double speed(fetch *f, uint64_t now) {
    enum { N = sizeof f->marks_ns / sizeof *f->marks_ns };
    if (f->n_marks == 0 || now - f->marks_ns[(f->n_marks - 1) % N] >= 1000u * NS_MS) {
        f->marks_ns[f->n_marks % N] = now;
        f->marks_bytes[f->n_marks % N] = f->new_bytes;
        f->n_marks++;
    }
    const unsigned oldest = f->n_marks <= N ? 0 : f->n_marks % N;
    const double seconds = (double)(now - f->marks_ns[oldest]) / 1e9;
    return seconds < 0.5 ? 0 : (double)(f->new_bytes - f->marks_bytes[oldest]) / seconds;
}

static void report(fetch *f, uint64_t now) {
    uint64_t wake = 0;
    if (f->options->progress == NULL || now < f->progress_ns) {
        return;
    }
    f->progress_ns = now + (uint64_t)PROGRESS_MS * NS_MS;
    for (size_t i = 0; i < f->n_jobs; i++) {
        wake = f->jobs[i].is_open && f->jobs[i].wake_ns > wake ? f->jobs[i].wake_ns : wake;
    }
    const bool waits = wake > now && f->waiting[0] != '\0';
    const rg_fetch_progress p = {.done_bytes = bytes_there(f),
                                 .total_bytes = f->total_bytes,
                                 .bytes_s = speed(f, now),
                                 .n_done = f->n_done,
                                 .waiting = waits ? f->waiting : NULL,
                                 .wait_s = waits ? (double)(wake - now) / 1e9 : 0};
    if (!f->options->progress(f->options->arg, &p)) {
        end_with(f, rg_fail(f->err, RG_E_CANCELLED, "stopped"));
    }
}

// ---- the loop ----

// under a rate, bytes come as the budget has them; a second's worth is saved up
static void fill_budget(fetch *f) {
    const uint64_t now = rg_clock_ns();
    const double rate = (double)f->options->bytes_s;
    f->budget += f->budget_ns == 0 ? 0 : rate * (double)(now - f->budget_ns) / 1e9;
    f->budget = f->budget > rate ? rate : f->budget;
    f->budget_ns = now;
    for (unsigned i = 0; i < f->n_workers && f->budget >= 0; i++) {
        if (f->workers[i].is_paused) {
            f->workers[i].is_paused = false;
            (void)curl_easy_pause(f->workers[i].t.easy, CURLPAUSE_CONT);
        }
    }
}

static void turn(fetch *f) {
    int n_running = 0;
    int n_left = 0;
    const CURLMsg *message = NULL;
    open_more(f);
    const bool has_more = tend(f);
    uint64_t now = rg_clock_ns();
    for (unsigned i = 0; i < f->n_workers && f->status == RG_OK; i++) {
        worker *w = &f->workers[i];
        if (w->job == NULL && find_work(f, w, now)) {
            w->job->n_workers++;
            w->hops = 0;
            memcpy(w->url, w->job->place, sizeof w->url);
            if (w->url[0] == '\0') {
                snprintf(w->url, sizeof w->url, "%s", w->job->file->url);
            }
            start(f, w);
        }
    }
    if (f->options->bytes_s != 0) {
        fill_budget(f);
    }
    if (curl_multi_perform(f->multi, &n_running) != CURLM_OK) {
        end_with(f, rg_fail(f->err, RG_E_INTERNAL, "libcurl stops working"));
    }
    while ((message = curl_multi_info_read(f->multi, &n_left)) != NULL) {
        worker *w = NULL;
        const CURLcode code = message->data.result;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&w);
        finished(f, w, code);
    }
    now = rg_clock_ns();
    if (now >= f->sync_ns) {
        f->sync_ns = now + (uint64_t)SYNC_MS * NS_MS;
        sync_all(f);
    }
    report(f, now);
    if (f->status == RG_OK && f->n_done < f->n_jobs) {
        const int wait_ms = has_more ? 0 : f->options->bytes_s != 0 ? RATE_POLL_MS : POLL_MS;
        curl_multi_poll(f->multi, NULL, 0, wait_ms, NULL);
    }
}

static rg_status set_up(fetch *f, rg_fetch_file *files, size_t n, rg_error *err) {
    f->jobs = rg_new_array(f->mem, n + 1, sizeof *f->jobs);
    f->workers = rg_new_array(f->mem, f->n_workers, sizeof *f->workers);
    f->multi = curl_multi_init();
    if (f->jobs == NULL || f->workers == NULL || f->multi == NULL) {
        return rg_fail(err, RG_E_MEMORY, "no memory for %zu downloads", n);
    }
    f->n_jobs = n;
    for (size_t i = 0; i < n; i++) {
        f->jobs[i].file = &files[i];
        f->total_bytes += files[i].size;
    }
    for (unsigned i = 0; i < f->n_workers; i++) {
        f->workers[i].fetch = f;
        f->workers[i].t.http = f->http;
        f->workers[i].t.easy = curl_easy_init();
        if (f->workers[i].t.easy == NULL) {
            return rg_fail(err, RG_E_MEMORY, "no memory for a connection");
        }
    }
    return RG_OK;
}

static void tear_down(fetch *f) {
    for (unsigned i = 0; f->workers != NULL && i < f->n_workers; i++) {
        worker *w = &f->workers[i];
        if (w->t.easy != NULL) {
            if (w->job != NULL) {
                curl_multi_remove_handle(f->multi, w->t.easy);
                release(w);
            }
            curl_easy_cleanup(w->t.easy);
            rg_http_transfer_clear(&w->t);
        }
    }
    for (size_t i = 0; f->jobs != NULL && i < f->n_jobs; i++) {
        if (f->jobs[i].is_open) {
            rg_part_close(&f->jobs[i].part);
        }
        rg_hub_hash_clear(&f->jobs[i].hash);
    }
    curl_multi_cleanup(f->multi);
    rg_free(f->mem, f->jobs);
    rg_free(f->mem, f->workers);
}

rg_status rg_fetch(const rg_mem *mem, rg_http *http, rg_fetch_file *files, size_t n,
                   const rg_fetch_options *options, rg_error *err) {
    rg_error own = {0};
    fetch f = {.mem = mem, .http = http, .options = options, .err = err == NULL ? &own : err};
    f.n_workers = options->n_connections == 0 ? CONNECTIONS : options->n_connections;
    f.n_workers = f.n_workers > RG_FETCH_CONNECTIONS_MAX ? RG_FETCH_CONNECTIONS_MAX : f.n_workers;
    f.status = set_up(&f, files, n, f.err);
    // all state that a broken connection leaves stays in the parts and their journals
    while (f.status == RG_OK && f.n_done < f.n_jobs) {
        turn(&f);
    }
    f.progress_ns = 0;
    if (f.status == RG_OK) {
        report(&f, rg_clock_ns());
    }
    tear_down(&f);
    return f.status;
}
