#include "serve/job.h"

#include "base/clock.h"

enum { FORK_TOKENS = 64 }; // less in common is not worth a copy, less at stake needs none

/** A session with its thread. */
typedef struct rg_slot {
    rg_jobs *jobs;
    pthread_t thread;
    pthread_cond_t wake; // with jobs->lock
    bool has_thread;
    raga_session *session;   // the thread's while there is a job; else read under the lock
    rg_job *job;             // guarded by jobs->lock, as all below
    struct rg_slot *fork_of; // begin with a copy of its session
    unsigned n_lent;         // slots that copy this one now
    size_t owner;            // of what the session holds
    uint64_t used_ns;
} rg_slot;

struct rg_jobs {
    const rg_mem *mem;
    raga_model *model;
    rg_jobs_options options;
    pthread_mutex_t lock;
    pthread_cond_t idle; // something was finished
    rg_job *first;       // guarded by lock, as all below
    rg_counts counts;
    bool is_draining, is_stopping;
    rg_slot *slots;
};

rg_job *rg_job_new(const rg_mem *mem, size_t owner) {
    enum { REQUEST_BYTES_MAX = 512 << 20 };
    rg_job *job = rg_new(mem, sizeof *job);
    if (job != NULL) {
        rg_arena_init(&job->scratch, mem, REQUEST_BYTES_MAX);
        rg_arena_init(&job->arena, mem, REQUEST_BYTES_MAX);
        rg_feed_init(&job->out, mem);
        job->generate.size = sizeof job->generate;
        job->n_choices = 1;
        job->owner = owner;
        job->refs = 1;
    }
    return job;
}

void rg_job_release(rg_job *job) {
    // acquire and release: who frees has seen what the others did
    if (job == NULL || __atomic_sub_fetch(&job->refs, 1, __ATOMIC_ACQ_REL) != 0) {
        return;
    }
    const rg_mem *mem = job->arena.mem;
    for (size_t i = 0; i < job->n_pictures; i++) {
        rg_shelf_release(job->shelf, job->seen[i]);
    }
    if (job->writing != NULL) {
        job->writer->free(job->writing);
    }
    raga_grammar_free(job->generate.grammar);
    rg_feed_clear(&job->out);
    rg_arena_clear(&job->scratch);
    rg_arena_clear(&job->arena);
    rg_free(mem, job);
}

void rg_job_mark_cancelled(rg_job *job) {
    // relaxed, as the read: nothing else is told by it
    __atomic_store_n(&job->is_cancelled, true, __ATOMIC_RELAXED);
}

bool rg_job_is_cancelled(const rg_job *job) {
    return __atomic_load_n(&job->is_cancelled, __ATOMIC_RELAXED);
}

bool rg_job_prompt(rg_job *job, int32_t *ids, size_t n, rg_fault *fault) {
    size_t bytes = 0;
    int32_t *all = NULL;
    if (rg_add_size(job->n_ids, n, &bytes) && rg_mul_size(bytes, sizeof *all, &bytes)) {
        all = rg_arena_alloc(&job->arena, bytes);
    }
    if (all != NULL && job->n_ids != 0) {
        memcpy(all, job->ids, job->n_ids * sizeof *all);
    }
    if (all != NULL && n != 0) {
        memcpy(all + job->n_ids, ids, n * sizeof *all);
    }
    raga_free(ids);
    if (all == NULL) {
        return rg_fault_set(fault, 500, NULL, "no memory for a prompt of %zu tokens", n);
    }
    job->ids = all;
    job->n_ids += n;
    return true;
}

void rg_job_put(rg_job *job, const char *before, rg_buf *line, const char *after) {
    rg_buf whole;
    rg_buf_init(&whole, line->mem, 0);
    rg_buf_str(&whole, rg_str_of(before));
    rg_buf_str(&whole, rg_buf_view(line));
    rg_buf_str(&whole, rg_str_of(after));
    if (whole.is_failed || line->is_failed || !rg_feed_put(&job->out, rg_buf_view(&whole))) {
        rg_job_mark_cancelled(job);
    }
    rg_buf_clear(&whole);
    line->size = 0;
}

void rg_job_end(rg_job *job) {
    if (job->fault.status == 0) {
        job->writer->end(job);
    } else {
        job->writer->fail(job);
    }
    rg_feed_end(&job->out);
}

// ---- which job, on which session ----

// tokens that a slot's session and a job begin with alike
static size_t in_common(const rg_slot *slot, const rg_job *job) {
    const size_t n = raga_session_count(slot->session);
    const int32_t *ids = raga_session_ids(slot->session);
    size_t same = 0;
    if (slot->owner != job->owner) {
        return 0; // how fast an answer comes must not tell what somebody else asked
    }
    while (same < n && same < job->n_ids && ids[same] == job->ids[same]) {
        same++;
    }
    return same;
}

static bool is_free(const rg_slot *slot) {
    return slot->job == NULL && slot->n_lent == 0;
}

// the free slot that has most of a job already; where that would cost what the slot has beyond it,
// the one unused for longest, with a copy. NULL: none is free
static rg_slot *choose_slot(rg_jobs *jobs, const rg_job *job) {
    rg_slot *best = NULL;
    rg_slot *oldest = NULL;
    size_t most = 0;
    for (size_t i = 0; i < jobs->options.n_slots; i++) {
        rg_slot *s = &jobs->slots[i];
        if (!is_free(s)) {
            continue;
        }
        const size_t same = in_common(s, job);
        if (best == NULL || same > most) {
            best = s;
            most = same;
        }
        if (oldest == NULL || s->used_ns < oldest->used_ns) {
            oldest = s;
        }
    }
    if (best == NULL || most == 0 || best == oldest) {
        return oldest;
    }
    const size_t at_stake = raga_session_count(best->session) - most;
    if (at_stake < FORK_TOKENS) {
        return best;
    }
    if (most >= FORK_TOKENS) {
        oldest->fork_of = best;
        best->n_lent++;
    }
    return oldest;
}

// the job that has waited for longest, of those who have least running
static rg_job **choose_job(rg_jobs *jobs) {
    rg_job **best = NULL;
    size_t least = SIZE_MAX;
    for (rg_job **at = &jobs->first; *at != NULL; at = &(*at)->next) {
        size_t n = 0;
        for (size_t i = 0; i < jobs->options.n_slots; i++) {
            n += jobs->slots[i].job != NULL && jobs->slots[i].job->owner == (*at)->owner;
        }
        if (n < least) {
            least = n;
            best = at;
        }
    }
    return best;
}

// with the lock held
static void assign(rg_jobs *jobs) {
    while (jobs->first != NULL) {
        rg_job **at = choose_job(jobs);
        rg_job *job = *at;
        rg_slot *slot = choose_slot(jobs, job);
        if (slot == NULL) {
            return;
        }
        *at = job->next;
        job->next = NULL;
        job->slot = slot;
        slot->job = job;
        jobs->counts.n_waiting--;
        jobs->counts.n_running++;
        jobs->counts.wait_s += (double)(rg_clock_ns() - job->asked_ns) * 1e-9;
        pthread_cond_signal(&slot->wake);
    }
}

// ---- slots ----

// begin with a copy of another session; without it where that fails
static void copy_session(rg_slot *slot) {
    raga_error err;
    raga_session *copy = NULL;
    raga_session_truncate(slot->session, 0); // its pages are needed
    if (raga_session_fork(slot->fork_of->session, &copy, &err) == RAGA_OK) {
        raga_session_free(slot->session);
        slot->session = copy;
    }
}

static void count(rg_counts *c, const rg_job *job) {
    const bool is_cancelled = rg_job_is_cancelled(job);
    c->n_running--;
    c->n_cancelled += is_cancelled;
    c->n_failed += !is_cancelled && job->fault.status != 0;
    c->n_done += !is_cancelled && job->fault.status == 0;
    c->n_prompt += job->usage.n_prompt;
    c->n_cached += job->usage.n_cached;
    c->n_generated += job->usage.n_generated;
    c->prompt_s += job->usage.prompt_s;
    c->generate_s += job->usage.generate_s;
}

// with the lock held, before and after
static void work(rg_slot *slot) {
    rg_jobs *jobs = slot->jobs;
    rg_job *job = slot->job;
    if (slot->fork_of != NULL) {
        pthread_mutex_unlock(&jobs->lock);
        copy_session(slot);
        pthread_mutex_lock(&jobs->lock);
        slot->fork_of->n_lent--;
        slot->fork_of = NULL;
        assign(jobs);
    } else if (slot->owner != job->owner) {
        raga_session_truncate(slot->session, 0);
    }
    slot->owner = job->owner;
    pthread_mutex_unlock(&jobs->lock);
    rg_job_run(job, jobs->model, slot->session);
    pthread_mutex_lock(&jobs->lock);
    slot->job = NULL;
    slot->used_ns = rg_clock_ns();
    job->slot = NULL;
    count(&jobs->counts, job);
    pthread_cond_broadcast(&jobs->idle);
    assign(jobs);
    pthread_mutex_unlock(&jobs->lock);
    // only now: who asks again at once finds the session free, with all that it has
    rg_job_end(job);
    rg_job_release(job);
    pthread_mutex_lock(&jobs->lock);
}

static void *run_slot(void *arg) {
    rg_slot *slot = arg;
    rg_jobs *jobs = slot->jobs;
    pthread_mutex_lock(&jobs->lock);
    while (!jobs->is_stopping || slot->job != NULL) {
        if (slot->job == NULL) {
            pthread_cond_wait(&slot->wake, &jobs->lock);
        } else {
            work(slot);
        }
    }
    pthread_mutex_unlock(&jobs->lock);
    return NULL;
}

static rg_status open_slot(rg_jobs *jobs, rg_slot *slot, rg_error *err) {
    raga_error error = {0};
    slot->jobs = jobs;
    pthread_cond_init(&slot->wake, NULL);
    if (raga_session_new(jobs->model, &slot->session, &error) != RAGA_OK) {
        return rg_fail(err, (rg_status)error.status, "%s", error.text);
    }
    slot->has_thread = pthread_create(&slot->thread, NULL, run_slot, slot) == 0;
    return slot->has_thread ? RG_OK : rg_fail(err, RG_E_MEMORY, "no thread for a session");
}

rg_status rg_jobs_new(const rg_mem *mem, raga_model *model, const rg_jobs_options *options,
                      rg_jobs **out, rg_error *err) {
    rg_status status = RG_OK;
    pthread_condattr_t clock;
    rg_jobs *jobs = rg_new(mem, sizeof *jobs);
    rg_slot *slots = rg_new_array(mem, options->n_slots, sizeof *slots);
    if (jobs == NULL || slots == NULL) {
        rg_free(mem, jobs);
        rg_free(mem, slots);
        return rg_fail(err, RG_E_MEMORY, "no memory for %zu sessions", options->n_slots);
    }
    *jobs = (rg_jobs){.mem = mem, .model = model, .options = *options, .slots = slots};
    jobs->counts.n_slots = options->n_slots;
    pthread_mutex_init(&jobs->lock, NULL);
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&jobs->idle, &clock);
    pthread_condattr_destroy(&clock);
    for (size_t i = 0; i < options->n_slots; i++) {
        RG_TRY(open_slot(jobs, &slots[i], err));
    }
    *out = jobs;
    jobs = NULL;

done:
    rg_jobs_free(jobs);
    return status;
}

void rg_jobs_free(rg_jobs *jobs) {
    if (jobs == NULL) {
        return;
    }
    rg_jobs_drain(jobs, 0);
    pthread_mutex_lock(&jobs->lock);
    jobs->is_stopping = true;
    for (size_t i = 0; i < jobs->options.n_slots && jobs->slots[i].jobs != NULL; i++) {
        pthread_cond_signal(&jobs->slots[i].wake);
    }
    pthread_mutex_unlock(&jobs->lock);
    for (size_t i = 0; i < jobs->options.n_slots && jobs->slots[i].jobs != NULL; i++) {
        rg_slot *slot = &jobs->slots[i];
        if (slot->has_thread) {
            pthread_join(slot->thread, NULL);
        }
        pthread_cond_destroy(&slot->wake);
        raga_session_free(slot->session);
    }
    pthread_cond_destroy(&jobs->idle);
    pthread_mutex_destroy(&jobs->lock);
    rg_free(jobs->mem, jobs->slots);
    rg_free(jobs->mem, jobs);
}

// ---- who asks ----

bool rg_jobs_submit(rg_jobs *jobs, rg_job *job, rg_fault *fault) {
    bool is_taken = false;
    pthread_mutex_lock(&jobs->lock);
    if (jobs->is_draining) {
        rg_fault_set(fault, 503, NULL, "the server is being stopped");
        fault->retry_after_s = 5;
    } else if (jobs->counts.n_waiting >= jobs->options.n_queue) {
        jobs->counts.n_rejected++;
        rg_fault_set(fault, 429, NULL, "%zu requests wait already, at most %zu may",
                     jobs->counts.n_waiting, jobs->options.n_queue);
        fault->retry_after_s = 2;
    } else {
        rg_job **at = &jobs->first;
        while (*at != NULL) {
            at = &(*at)->next;
        }
        *at = job;
        job->asked_ns = rg_clock_ns();
        __atomic_add_fetch(&job->refs, 1, __ATOMIC_RELAXED);
        jobs->counts.n_waiting++;
        is_taken = true;
        assign(jobs);
    }
    pthread_mutex_unlock(&jobs->lock);
    return is_taken;
}

// take a job out of the queue, with the lock held; was it there?
static bool withdraw(rg_jobs *jobs, rg_job *job) {
    for (rg_job **at = &jobs->first; *at != NULL; at = &(*at)->next) {
        if (*at == job) {
            *at = job->next;
            job->next = NULL;
            jobs->counts.n_waiting--;
            return true;
        }
    }
    return false;
}

void rg_jobs_cancel(rg_jobs *jobs, rg_job *job) {
    rg_job_mark_cancelled(job);
    pthread_mutex_lock(&jobs->lock);
    const bool has_waited = withdraw(jobs, job);
    jobs->counts.n_cancelled += has_waited;
    if (job->slot != NULL && job->slot->fork_of == NULL) {
        raga_session_cancel(job->slot->session);
    }
    pthread_mutex_unlock(&jobs->lock);
    if (has_waited) {
        rg_feed_end(&job->out);
        rg_job_release(job);
    }
}

static void refuse_waiting(rg_jobs *jobs) {
    for (;;) {
        pthread_mutex_lock(&jobs->lock);
        rg_job *job = jobs->first;
        if (job != NULL) {
            (void)withdraw(jobs, job);
        }
        pthread_mutex_unlock(&jobs->lock);
        if (job == NULL) {
            return;
        }
        rg_fault_set(&job->fault, 503, NULL, "the server is being stopped");
        job->fault.retry_after_s = 5;
        rg_job_end(job);
        rg_job_release(job);
    }
}

void rg_jobs_drain(rg_jobs *jobs, unsigned grace_ms) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += grace_ms / 1000;
    pthread_mutex_lock(&jobs->lock);
    jobs->is_draining = true;
    pthread_mutex_unlock(&jobs->lock);
    refuse_waiting(jobs);
    pthread_mutex_lock(&jobs->lock);
    while (jobs->counts.n_running != 0 &&
           pthread_cond_timedwait(&jobs->idle, &jobs->lock, &until) == 0) {
    }
    for (size_t i = 0; i < jobs->options.n_slots; i++) {
        rg_slot *slot = &jobs->slots[i];
        if (slot->job != NULL) {
            rg_job_mark_cancelled(slot->job);
            if (slot->fork_of == NULL) {
                raga_session_cancel(slot->session);
            }
        }
    }
    // from here it takes a token, or a chunk of a prompt
    while (jobs->counts.n_running != 0) {
        pthread_cond_wait(&jobs->idle, &jobs->lock);
    }
    pthread_mutex_unlock(&jobs->lock);
}

void rg_jobs_count(rg_jobs *jobs, rg_counts *out) {
    pthread_mutex_lock(&jobs->lock);
    *out = jobs->counts;
    pthread_mutex_unlock(&jobs->lock);
}
