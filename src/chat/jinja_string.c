#include "chat/jinja_run.h"

#include "base/utf8.h"

// strings shorter than this are copied when joined; longer ones get room to grow in place
enum { TAIL_BYTES_MIN = 256 };

size_t rg_jcount_chars(rg_str text) {
    size_t n = 0;
    for (size_t i = 0; i < text.size; i++) {
        n += ((uint8_t)text.data[i] & 0xC0) != 0x80;
    }
    return n;
}

static const rg_jstr empty = {.data = ""};

static const rg_jstr *new_str(rg_jrun *run, rg_jstr s) {
    if (s.size == 0) {
        return &empty;
    }
    rg_jstr *str = rg_jalloc(run, sizeof *str);
    if (str == NULL) {
        return &empty;
    }
    *str = s;
    str->n_chars = rg_jcount_chars((rg_str){s.data, s.size});
    return str;
}

const rg_jstr *rg_jstr_view(rg_jrun *run, rg_str text, uint8_t origin) {
    return new_str(run, (rg_jstr){.data = text.data, .size = text.size, .origin = origin});
}

const rg_jstr *rg_jstr_copy(rg_jrun *run, rg_str text, uint8_t origin) {
    char *data = rg_jalloc(run, text.size);
    if (data == NULL || text.size == 0) {
        return &empty;
    }
    memcpy(data, text.data, text.size);
    return rg_jstr_view(run, (rg_str){data, text.size}, origin);
}

const rg_jstr *rg_jstr_c(rg_jrun *run, const char *text) {
    return rg_jstr_view(run, rg_str_of(text), 0);
}

const rg_jstr *rg_jstr_part(rg_jrun *run, const rg_jstr *s, size_t from, size_t to) {
    if (from == 0 && to == s->size) {
        return s;
    }
    return new_str(run, (rg_jstr){.data = s->data + from,
                                  .marks = s->marks == NULL ? NULL : s->marks + from,
                                  .size = to - from,
                                  .origin = s->origin});
}

uint8_t rg_jstr_origin(const rg_jstr *s) {
    if (s->marks == NULL) {
        return s->size == 0 ? 0 : s->origin;
    }
    // the first that is not trusted speaks for all
    for (size_t i = 0; i < s->size; i++) {
        if (s->marks[i] != 0) {
            return s->marks[i];
        }
    }
    return 0;
}

/* A string with room behind it: data and, when the origins differ, marks. */
static const rg_jstr *join_with_room(rg_jrun *run, const rg_jstr *a, const rg_jstr *b) {
    const size_t size = a->size + b->size;
    const size_t capacity = size < TAIL_BYTES_MIN ? size : size * 2;
    const bool is_mixed = a->marks != NULL || b->marks != NULL || a->origin != b->origin;
    char *data = rg_jalloc(run, is_mixed ? capacity * 2 : capacity);
    rg_jtail *tail = capacity == size ? NULL : rg_jalloc(run, sizeof *tail);
    if (rg_jfailed(run)) {
        return &empty;
    }

    memcpy(data, a->data, a->size);
    memcpy(data + a->size, b->data, b->size);
    uint8_t *marks = NULL;
    if (is_mixed) {
        marks = (uint8_t *)data + capacity;
        const rg_jstr *parts[2] = {a, b};
        uint8_t *to = marks;
        for (int i = 0; i < 2; i++) {
            if (parts[i]->marks != NULL) {
                memcpy(to, parts[i]->marks, parts[i]->size);
            } else {
                memset(to, parts[i]->origin, parts[i]->size);
            }
            to += parts[i]->size;
        }
    }
    if (tail != NULL) {
        *tail = (rg_jtail){.used = size, .capacity = capacity};
    }
    rg_jstr *str = rg_jalloc(run, sizeof *str);
    if (str == NULL) {
        return &empty;
    }
    *str = (rg_jstr){.data = data,
                     .marks = marks,
                     .size = size,
                     .n_chars = a->n_chars + b->n_chars,
                     .tail = tail,
                     .origin = a->origin};
    return str;
}

const rg_jstr *rg_jstr_join(rg_jrun *run, const rg_jstr *a, const rg_jstr *b) {
    if (a->size == 0 || b->size == 0) {
        return a->size == 0 ? b : a;
    }
    rg_jsteps(run, b->size / 32);

    // `a` ends where its buffer's content ends: append there, whoever holds `a` sees the same bytes
    rg_jtail *tail = a->tail;
    const bool fits = tail != NULL && tail->used == a->size && b->size <= tail->capacity - a->size;
    if (!fits || (a->marks == NULL && (b->marks != NULL || a->origin != b->origin))) {
        return join_with_room(run, a, b);
    }
    rg_jstr *str = rg_jalloc(run, sizeof *str);
    if (str == NULL) {
        return &empty;
    }
    memcpy((char *)a->data + a->size, b->data, b->size);
    if (a->marks != NULL) {
        uint8_t *to = (uint8_t *)a->marks + a->size;
        if (b->marks != NULL) {
            memcpy(to, b->marks, b->size);
        } else {
            memset(to, b->origin, b->size);
        }
    }
    *str = *a;
    str->size += b->size;
    str->n_chars += b->n_chars;
    tail->used = str->size;
    return str;
}

size_t rg_jstr_offset(rg_jrun *run, const rg_jstr *s, size_t index) {
    if (s->n_chars == s->size || index >= s->n_chars) {
        return index >= s->n_chars ? s->size : index;
    }
    rg_jsteps(run, index / 32);
    size_t at = 0;
    for (;; at++) {
        // the first byte of a character
        if (((uint8_t)s->data[at] & 0xC0) != 0x80) {
            if (index == 0) {
                return at;
            }
            index--;
        }
    }
}

const rg_jstr *rg_jstr_char(rg_jrun *run, const rg_jstr *s, size_t index) {
    const size_t from = rg_jstr_offset(run, s, index);
    size_t to = from + 1;
    while (to < s->size && ((uint8_t)s->data[to] & 0xC0) == 0x80) {
        to++;
    }
    return rg_jstr_part(run, s, from, to);
}

/* Room for `more` bytes; false after a failure. */
static bool reserve(rg_jbuild *b, size_t more) {
    if (rg_jfailed(b->run)) {
        return false;
    }
    if (more <= b->capacity - b->size) {
        return true;
    }
    size_t need = 0;
    size_t capacity = 0;
    if (!rg_add_size(b->size, more, &need) || !rg_mul_size(need, 2, &capacity)) {
        rg_jfail(b->run, RG_TEMPLATE_MEMORY, "a text of this size fits no memory");
        return false;
    }
    capacity = capacity < 64 ? 64 : capacity;
    char *data = rg_jalloc(b->run, capacity);
    uint8_t *marks = b->marks == NULL ? NULL : rg_jalloc(b->run, capacity);
    if (rg_jfailed(b->run)) {
        return false;
    }
    if (b->size != 0) {
        memcpy(data, b->data, b->size);
        if (marks != NULL) {
            memcpy(marks, b->marks, b->size);
        }
    }
    b->data = data;
    b->marks = marks;
    b->capacity = capacity;
    return true;
}

/* Make sure that `origin` can be told from what is there. */
static bool admit(rg_jbuild *b, uint8_t origin) {
    if (b->size == 0 && b->marks == NULL) {
        b->origin = origin;
    }
    if (b->marks != NULL || b->origin == origin) {
        return true;
    }
    b->marks = rg_jalloc(b->run, b->capacity);
    if (b->marks == NULL) {
        return false;
    }
    memset(b->marks, b->origin, b->size);
    return true;
}

void rg_jbuild_put(rg_jbuild *b, const char *data, size_t size, uint8_t origin) {
    if (size == 0 || !reserve(b, size) || !admit(b, origin)) {
        return;
    }
    rg_jsteps(b->run, size / 32);
    memcpy(b->data + b->size, data, size);
    if (b->marks != NULL) {
        memset(b->marks + b->size, origin, size);
    }
    b->size += size;
}

void rg_jbuild_c(rg_jbuild *b, const char *text) {
    rg_jbuild_put(b, text, strlen(text), 0);
}

void rg_jbuild_cp(rg_jbuild *b, uint32_t cp, uint8_t origin) {
    char out[4];
    rg_jbuild_put(b, out, rg_utf8_encode(cp, out), origin);
}

void rg_jbuild_fill(rg_jbuild *b, char c, size_t n, uint8_t origin) {
    if (n == 0 || !reserve(b, n) || !admit(b, origin)) {
        return;
    }
    rg_jsteps(b->run, n / 32);
    memset(b->data + b->size, c, n);
    if (b->marks != NULL) {
        memset(b->marks + b->size, origin, n);
    }
    b->size += n;
}

size_t rg_jmarks_end(const uint8_t *marks, size_t from, size_t to) {
    size_t end = from;
    while (end < to && marks[end] == marks[from]) {
        end++;
    }
    return end;
}

void rg_jbuild_part(rg_jbuild *b, const rg_jstr *s, size_t from, size_t to) {
    if (s->marks == NULL) {
        rg_jbuild_put(b, s->data + from, to - from, s->origin);
        return;
    }
    while (from < to) {
        const uint8_t origin = s->marks[from];
        const size_t next = rg_jmarks_end(s->marks, from, to);
        rg_jbuild_put(b, s->data + from, next - from, origin);
        from = next;
    }
}

void rg_jbuild_str(rg_jbuild *b, const rg_jstr *s) {
    rg_jbuild_part(b, s, 0, s->size);
}

const rg_jstr *rg_jbuild_done(rg_jbuild *b) {
    if (rg_jfailed(b->run)) {
        return &empty;
    }
    return new_str(
        b->run,
        (rg_jstr){.data = b->data, .marks = b->marks, .size = b->size, .origin = b->origin});
}
