/* test_states.c - the two tables of host/life/states.h, enumerated. */
#include "unit.h"

TEST(states, every_plugin_move_is_in_the_table_or_leaves_the_state_alone)
{
    unsigned moves = 0;
    for (int s = 0; s < PK__PLUGIN_STATE_COUNT; s++) {
        for (int e = 0; e < PK__PLUGIN_EVENT_COUNT; e++) {
            CASE("%s, %s", pk__states_plugin_text((pk__plugin_state)s),
                 pk__states_plugin_event_text((pk__plugin_event)e))
            {
                pk__plugin_state to = (pk__plugin_state)s;
                bool moved = pk__states_plugin(&to, (pk__plugin_event)e);
                moves += moved;
                CHECK_INT(to, <, PK__PLUGIN_STATE_COUNT);
                CHECK(moved ? to != (pk__plugin_state)s : to == (pk__plugin_state)s);
            }
        }
    }
    CHECK_UINT(moves, ==, 27);
}

TEST(states, a_rejected_plugin_never_moves_again)
{
    for (int e = 0; e < PK__PLUGIN_EVENT_COUNT; e++) {
        pk__plugin_state state = PK__PLUGIN_REJECTED;
        CHECK(!pk__states_plugin(&state, (pk__plugin_event)e));
    }
}

TEST(states, every_plugin_state_but_rejected_can_be_left_and_every_one_reached)
{
    bool reached[PK__PLUGIN_STATE_COUNT] = {false};
    reached[PK__PLUGIN_FOUND] = true;
    for (int s = 0; s < PK__PLUGIN_STATE_COUNT; s++) {
        bool left = false;
        for (int e = 0; e < PK__PLUGIN_EVENT_COUNT; e++) {
            pk__plugin_state to = (pk__plugin_state)s;
            if (pk__states_plugin(&to, (pk__plugin_event)e)) {
                left = true;
                reached[to] = true;
            }
        }
        CHECK(left == (s != PK__PLUGIN_REJECTED));
    }
    for (int s = 0; s < PK__PLUGIN_STATE_COUNT; s++) {
        CHECK(reached[s]);
    }
}

TEST(states, what_is_up_comes_down_again_from_anywhere)
{
    static const pk__plugin_state up[] = {PK__PLUGIN_STARTING, PK__PLUGIN_RUNNING, PK__PLUGIN_BACKOFF,
                                          PK__PLUGIN_FAILED};
    for (size_t i = 0; i < PK__COUNT(up); i++) {
        pk__plugin_state state = up[i];
        CHECK(pk__states_plugin(&state, PK__PLUGIN_ON_UNWANT));
        if (state == PK__PLUGIN_STOPPING) {
            CHECK(pk__states_plugin(&state, PK__PLUGIN_ON_EXITED));
        }
        CHECK_INT(state, ==, PK__PLUGIN_STOPPED);
        CHECK(pk__states_plugin(&state, PK__PLUGIN_ON_WANT));
    }
}

TEST(states, an_instance_only_goes_forward_and_ends)
{
    for (int s = 0; s < PK__INSTANCE_STATE_COUNT; s++) {
        for (int e = 0; e < PK__INSTANCE_EVENT_COUNT; e++) {
            pk__instance_state to = (pk__instance_state)s;
            if (pk__states_instance(&to, (pk__instance_event)e) && e != PK__INSTANCE_ON_RECOVER) {
                CHECK_INT(to, >, s);
            }
        }
        pk__instance_state state = (pk__instance_state)s;
        CHECK(pk__states_instance(&state, PK__INSTANCE_ON_EXIT) == (s != PK__INSTANCE_GONE));
    }
}

static bool is_one_of(const char *const *words, const char *word)
{
    while (*words && strcmp(*words, word) != 0) {
        words++;
    }
    return *words != NULL;
}

TEST(states, every_status_has_a_word_in_each_other_system)
{
    static const char *const words[][9] = {
        {"unknown", "loading", "loaded", "starting", "running", "stopping", "stopped", "failed", NULL},
        {"active", "inactive", "error", "loading", NULL},
        {"healthy", "degraded", "unhealthy", "offline", "unknown", NULL},
    };
    const char *statuses[PK__PLUGIN_STATE_COUNT + PK__INSTANCE_STATE_COUNT + 2] = {"built in", "skipped"};
    size_t count = 2;
    for (int s = 0; s < PK__PLUGIN_STATE_COUNT; s++) {
        statuses[count++] = pk__states_plugin_text((pk__plugin_state)s);
    }
    for (int s = 0; s < PK__INSTANCE_STATE_COUNT; s++) {
        statuses[count++] = pk__states_instance_text((pk__instance_state)s);
    }
    for (size_t i = 0; i < count; i++) {
        pk_plugin_info info = {.status = pk_str_from(statuses[i])};
        if (strcmp(statuses[i], "running") == 0 || strcmp(statuses[i], "gone") == 0) {
            continue; // never shown: the instance's state is, and it is there no more
        }
        for (int system = 0; system < 3; system++) {
            CASE("%s, system %d", statuses[i], system)
            {
                CHECK(is_one_of(words[system], pk_status_in((pk_status_words)system, &info)));
            }
        }
    }
    pk_plugin_info info = {.status = PK_STR("stopped"), .starts = 1, .health = PK_STR("unhealthy")};
    CHECK_STR(pk_status_in(PK_STATUS_BLACKHOLE, &info), "stopped");
    info.starts = 0;
    CHECK_STR(pk_status_in(PK_STATUS_BLACKHOLE, &info), "loaded");
    CHECK_STR(pk_status_in(PK_STATUS_GO_PLUGINS, &info), "unhealthy");
}
