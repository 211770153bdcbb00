/* Lines of data as ids: where a completion begins. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/tokenizers.h"
#include "train/sample.h"

// what is learnt, or not, of a line's ids, joined as the vocabulary spells them
static rg_str joined(const rg_tokenizer *tok, const rg_samples *s, bool is_learnt, rg_buf *out) {
    rg_buf_init(out, rg_mem_heap(), 0);
    for (size_t i = 0; i < rg_ids_count(&s->ids); i++) {
        if ((s->is_learnt.data[i] != 0) == is_learnt) {
            rg_buf_str(out, rg_tokenizer_bytes(tok, rg_ids_data(&s->ids)[i]));
        }
    }
    return rg_buf_view(out);
}

static void check(const rg_tokenizer *tok, const char *line, const char *masked,
                  const char *learnt) {
    const rg_sample_reader reader = {.mem = rg_mem_heap(), .tokenizer = tok};
    rg_samples samples;
    rg_error err = {0};
    rg_buf text;
    rg_samples_init(&samples, rg_mem_heap());
    if (rg_samples_read(&reader, rg_str_of(line), &samples, &err) != RG_OK) {
        fail_msg("%s: %s", line, err.text);
    }
    assert_int_equal(rg_samples_count(&samples), 1);
    assert_int_equal(samples.is_learnt.size, rg_ids_count(&samples.ids));
    for (int is_learnt = 0; is_learnt < 2; is_learnt++) {
        const char *want = is_learnt ? learnt : masked;
        const rg_str got = joined(tok, &samples, is_learnt, &text);
        if (!rg_str_is(got, want)) {
            fail_msg("%s: %.*s, not %s", line, RG_FMT(got), want);
        }
        rg_buf_clear(&text);
    }
    rg_samples_clear(&samples);
}

// SentencePiece writes a space in front of a text, but not where an answer begins
static void test_a_completion_begins_as_an_answer_does(void **state) {
    (void)state;
    rg_tokenizer *tok = open_family("mistral-7b");
    check(tok, "{\"prompt\": \"one\", \"completion\": \"two\"}", "<s>\xE2\x96\x81one", "two</s>");
    check(tok, "{\"prompt\": \"one\", \"completion\": \" two\"}", "<s>\xE2\x96\x81one",
          "\xE2\x96\x81two</s>");
    check(tok, "{\"prompt\": \"\", \"completion\": \"two\"}", "", "<s>\xE2\x96\x81two</s>");
    check(tok, "{\"text\": \"one\"}", "", "<s>\xE2\x96\x81one</s>");
    rg_tokenizer_free(tok);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_completion_begins_as_an_answer_does),
    };
    return shared_is_there() ? cmocka_run_group_tests(tests, NULL, NULL) : 77;
}
