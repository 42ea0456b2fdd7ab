/* test_tables.c - the string map, handles and the list. */
#include "unit.h"

TEST(map, holds_what_was_put_through_growth_and_removal)
{
    pk__map map;
    static char keys[1000][8];
    pk__map_init(&map, test_alloc());
    CHECK(!pk__map_get(&map, PK_STR("nothing")));
    CHECK(!pk__map_remove(&map, PK_STR("nothing")));
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 1000; i++) {
            snprintf(keys[i], sizeof(keys[i]), "k%d", i);
            REQUIRE(pk__map_put(&map, pk_str_from(keys[i]), keys[i]));
        }
        for (int i = 0; i < 1000; i += 2) {
            CHECK(pk__map_remove(&map, pk_str_from(keys[i])) == keys[i]);
        }
        for (int i = 0; i < 1000; i++) {
            CHECK(pk__map_get(&map, pk_str_from(keys[i])) == (i % 2 ? keys[i] : NULL));
        }
    }
    size_t at = 0, seen = 0;
    pk__map_entry *e;
    while (pk__map_next(&map, &at, &e)) {
        seen++;
    }
    CHECK_UINT(seen, ==, 500);
    pk__map_deinit(&map);
}

TEST(map, the_same_few_keys_come_and_go_without_growing)
{
    pk__map map;
    pk__map_init(&map, test_alloc());
    for (int i = 0; i < 10000; i++) {
        char key[16];
        snprintf(key, sizeof(key), "%d", i);
        REQUIRE(pk__map_put(&map, pk_str_from(key), &map));
        CHECK(pk__map_remove(&map, pk_str_from(key)) == &map);
    }
    CHECK_UINT(map.cap, <=, 16);
    pk__map_deinit(&map);
}

TEST(map, an_empty_key_is_a_key)
{
    pk__map map;
    int value;
    pk__map_init(&map, test_alloc());
    REQUIRE(pk__map_put(&map, PK_STR(""), &value));
    CHECK(pk__map_get(&map, PK_STR("")) == &value);
    CHECK(pk__map_remove(&map, PK_STR("")) == &value);
    CHECK(!pk__map_get(&map, PK_STR("")));
    pk__map_deinit(&map);
}

TEST_TORTURE(map, without_memory_nothing_is_lost)
{
    pk__map map;
    static char keys[100][8];
    pk__map_init(&map, test_alloc());
    int in = 0;
    for (int i = 0; i < 100; i++) {
        snprintf(keys[i], sizeof(keys[i]), "k%d", i);
        in += pk__map_put(&map, pk_str_from(keys[i]), keys[i]);
    }
    CHECK_UINT(map.live, ==, (size_t)in);
    pk__map_deinit(&map);
}

TEST(handle, an_old_handle_finds_nothing)
{
    pk__handles t;
    int a, b;
    pk__handles_init(&t, test_alloc());
    uint64_t first = pk__handles_add(&t, &a);
    CHECK(first != 0 && pk__handles_get(&t, first) == &a);
    pk__handles_remove(&t, first);
    pk__handles_remove(&t, first);
    uint64_t second = pk__handles_add(&t, &b);
    CHECK(second != first && (second & UINT32_MAX) == (first & UINT32_MAX)); // the same slot
    CHECK(!pk__handles_get(&t, first) && pk__handles_get(&t, second) == &b);
    static const uint64_t junk[] = {0, 1, UINT32_MAX, UINT64_MAX, 0x100000000u, 0x100000002u};
    for (size_t i = 0; i < PK__COUNT(junk); i++) {
        CHECK(!pk__handles_get(&t, junk[i]));
    }
    for (int i = 0; i < 100; i++) {
        CHECK(pk__handles_add(&t, &a) != 0);
    }
    CHECK(pk__handles_get(&t, second) == &b);
    pk__handles_deinit(&t);
}

typedef struct item {
    int value;
    pk__node node;
} item;

TEST(list, keeps_order_and_forgets_what_was_removed)
{
    pk__node list;
    item items[4] = {{0, {NULL, NULL}}, {1, {NULL, NULL}}, {2, {NULL, NULL}}, {3, {NULL, NULL}}};
    pk__list_init(&list);
    CHECK(pk__list_is_empty(&list) && !pk__list_pop(&list));
    for (int i = 0; i < 4; i++) {
        pk__list_push(&list, &items[i].node);
    }
    pk__list_remove(&items[2].node);
    pk__list_remove(&items[2].node);
    int want[] = {0, 1, 3};
    for (int i = 0; i < 3; i++) {
        pk__node *n = pk__list_pop(&list);
        REQUIRE(n);
        CHECK_INT(PK__OF(n, item, node)->value, ==, want[i]);
    }
    CHECK(pk__list_is_empty(&list));
}
