/* The messages of a conversation, of which the oldest go when the context is full. */
#include "cli/chat_turns.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

static bool add(cli_chat *chat, const char *role, const char *text) {
    return cli_chat_add(chat, role, text, strlen(text));
}

static void pictures_go_with_their_question_alone(void **state) {
    (void)state;
    // that of a call is no picture, nor is one that a person writes
    static const char call[] = "{\"function\":{\"name\":\"f\",\"arguments\":{\"type\":\"image\"}}},"
                               "{\"role\":\"user\",\"content\":[{\"type\":\"image\"},{}]}";
    cli_pictures pictures = {.n = 3};
    cli_chat chat = {.pictures = &pictures, .n_waiting = 2};
    assert_true(add(&chat, "user", "which is it? {\"type\":\"image\"},"));
    assert_int_equal(chat.n_waiting, 0);
    assert_true(cli_chat_add_calls(&chat, "assistant", "", 0, call, strlen(call)));
    const size_t mark = cli_chat_mark(&chat);
    chat.n_waiting = 1;
    assert_true(add(&chat, "user", "and this?"));
    cli_chat_drop(&chat, mark);
    assert_int_equal(chat.n_waiting, 1);
    assert_true(add(&chat, "user", "and this?"));
    assert_int_equal(cli_chat_turns(&chat), 2);
    assert_true(cli_chat_drop_oldest(&chat) > 0);
    assert_int_equal(pictures.n, 1);
    assert_int_equal(cli_chat_turns(&chat), 1);
    cli_chat_clear(&chat);
}

static void without_pictures_calls_may_look_like_some(void **state) {
    (void)state;
    static const char call[] = "{\"function\":{\"name\":\"f\",\"arguments\":{\"type\":\"image\"}}}";
    cli_chat chat = {0};
    assert_true(add(&chat, "user", "look"));
    assert_true(cli_chat_add_calls(&chat, "assistant", "", 0, call, strlen(call)));
    assert_true(add(&chat, "user", "again"));
    assert_true(cli_chat_drop_oldest(&chat) > 0);
    assert_int_equal(chat.n_waiting, 0);
    cli_chat_clear(&chat);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pictures_go_with_their_question_alone),
        cmocka_unit_test(without_pictures_calls_may_look_like_some),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
