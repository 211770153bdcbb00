#include "base/buf.h"

#include "base/utf8.h"

#include <stdio.h>

void rg_buf_init(rg_buf *buf, const rg_mem *mem, size_t limit_bytes) {
    *buf = (rg_buf){.mem = mem, .limit_bytes = limit_bytes};
}

void rg_buf_clear(rg_buf *buf) {
    rg_free(buf->mem, buf->data);
    rg_buf_init(buf, buf->mem, buf->limit_bytes);
}

bool rg_buf_reserve(rg_buf *buf, size_t more) {
    size_t need = 0;
    if (buf->is_failed) {
        return false;
    }
    if (!rg_add_size(buf->size, more, &need) ||
        (buf->limit_bytes != 0 && need > buf->limit_bytes)) {
        buf->is_failed = buf->is_over = true;
        return false;
    }
    if (need <= buf->capacity) {
        return true;
    }
    size_t capacity = buf->capacity < 64 ? 64 : buf->capacity;
    while (capacity < need) {
        capacity = capacity > SIZE_MAX / 2 ? need : capacity * 2;
    }
    char *grown = rg_alloc(buf->mem, capacity);
    if (grown == NULL) {
        buf->is_failed = true;
        return false;
    }
    if (buf->size != 0) {
        memcpy(grown, buf->data, buf->size);
    }
    rg_free(buf->mem, buf->data);
    buf->data = grown;
    buf->capacity = capacity;
    return true;
}

void rg_buf_put(rg_buf *buf, const void *data, size_t size) {
    if (size != 0 && rg_buf_reserve(buf, size)) {
        memcpy(buf->data + buf->size, data, size);
        buf->size += size;
    }
}

void rg_buf_str(rg_buf *buf, rg_str text) {
    rg_buf_put(buf, text.data, text.size);
}

void rg_buf_char(rg_buf *buf, char c) {
    rg_buf_put(buf, &c, 1);
}

void rg_buf_format(rg_buf *buf, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    char small[256];
    const int n = vsnprintf(small, sizeof small, format, args);
    if (n < 0) {
        buf->is_failed = true;
    } else if ((size_t)n < sizeof small) {
        rg_buf_put(buf, small, (size_t)n);
    } else if (rg_buf_reserve(buf, (size_t)n + 1)) {
        vsnprintf(buf->data + buf->size, (size_t)n + 1, format, again);
        buf->size += (size_t)n;
    }
    va_end(again);
    va_end(args);
}

const char *rg_buf_cstr(rg_buf *buf) {
    // the terminator is not content, so it may sit one byte past the limit
    const size_t limit = buf->limit_bytes;
    buf->limit_bytes = 0;
    const bool has_room = rg_buf_reserve(buf, 1);
    buf->limit_bytes = limit;
    if (!has_room) {
        return "";
    }
    buf->data[buf->size] = '\0';
    return buf->data;
}

char *rg_buf_take(rg_buf *buf, size_t *size) {
    char *data = buf->data;
    *size = buf->size;
    rg_buf_init(buf, buf->mem, buf->limit_bytes);
    return data;
}

rg_status rg_buf_check(const rg_buf *buf, const char *what, rg_error *err) {
    if (!buf->is_failed) {
        return RG_OK;
    }
    if (buf->is_over) {
        return rg_fail(err, RG_E_LIMIT, "%s is larger than %zu bytes", what, buf->limit_bytes);
    }
    return rg_fail(err, RG_E_MEMORY, "no memory for %s", what);
}

void rg_buf_json(rg_buf *buf, rg_str text) {
    rg_buf_char(buf, '"');
    for (size_t i = 0; i < text.size;) {
        const unsigned char c = (unsigned char)text.data[i];
        if (c == '"' || c == '\\') {
            rg_buf_char(buf, '\\');
            rg_buf_char(buf, (char)c);
            i++;
        } else if (c == '\n') {
            rg_buf_str(buf, RG_STR("\\n"));
            i++;
        } else if (c < 0x20 || c == 0x7f) {
            rg_buf_format(buf, "\\u%04x", c);
            i++;
        } else {
            uint32_t cp = 0;
            const size_t n = rg_utf8_decode(rg_str_slice(text, i, text.size), &cp);
            if (cp == RG_UTF8_BAD) {
                rg_buf_str(buf, RG_STR("\xEF\xBF\xBD"));
            } else if (cp == 0x85 || cp == 0x2028 || cp == 0x2029) {
                rg_buf_format(buf, "\\u%04x", cp); // line ends to many readers of lines
            } else {
                rg_buf_put(buf, text.data + i, n);
            }
            i += n;
        }
    }
    rg_buf_char(buf, '"');
}
