/* test_memory.c - the allocator hook, pk_mem and pk_buf. */
#include "unit.h"

TEST(memory, blocks_of_every_size_are_aligned_apart_and_kept)
{
    pk_mem mem = {.alloc = test_alloc()};
    unsigned char *at[600];
    for (size_t i = 0; i < 600; i++) {
        size_t size = i * i % 5000;
        at[i] = pk_mem_get(&mem, size);
        REQUIRE(at[i]);
        CHECK_UINT((uintptr_t)at[i] % _Alignof(max_align_t), ==, 0);
        memset(at[i], (int)(i & 255), size);
    }
    for (size_t i = 0; i < 600; i++) {
        size_t size = i * i % 5000;
        for (size_t k = 0; k < size; k++) {
            REQUIRE(at[i][k] == (i & 255));
        }
    }
    pk_mem_free(&mem);
    pk_mem_free(&mem); // once more does nothing
}

TEST(memory, a_reset_memory_serves_the_same_use_without_allocating)
{
    pk_mem mem = {.alloc = test_alloc()};
    for (int round = 0; round < 3; round++) {
        pk_mem_reset(&mem);
        if (round > 0) {
            test_alloc_fail_at(1);
        }
        for (int i = 0; i < 8; i++) {
            CHECK(pk_mem_get(&mem, 100));
        }
    }
    test_alloc_fail_at(0);
    pk_mem_free(&mem);
}

TEST(memory, a_huge_block_is_not_kept_by_reset)
{
    pk_mem mem = {.alloc = test_alloc()};
    REQUIRE(pk_mem_get(&mem, 10u << 20));
    pk_mem_reset(&mem);
    CHECK(mem.left <= 64 * 1024);
    pk_mem_free(&mem);
}

TEST(memory, over_bytes_of_the_caller_nothing_is_allocated)
{
    for (size_t size = 0; size < 300; size++) {
        CASE("%zu bytes", size)
        {
            char zeros[300] = {0};
            char *bytes = (char *)test_guarded(zeros, size); // of every alignment
            pk_mem mem;
            memset(&mem, 0x55, sizeof(mem));
            pk_mem_over(&mem, bytes, size, NULL);
            size_t had = mem.left;
            CHECK(had + 64 >= size && had <= size);
            for (int round = 0; round < 3; round++) {
                size_t got = 0;
                for (char *at; (at = (char *)pk_mem_get(&mem, 16)) != NULL; got += 16) {
                    CHECK(at >= bytes && at + 16 <= bytes + size && (uintptr_t)at % 16 == 0);
                    memset(at, 0xFF, 16);
                }
                CHECK_UINT(got, ==, had / 16 * 16);
                CHECK(!pk_mem_get(&mem, 1000) && !pk_mem_adopt(&mem, bytes, NULL, NULL));
                pk_mem_reset(&mem);
                CHECK_UINT(mem.left, ==, had);
            }
            pk_mem_free(&mem);
            CHECK(!pk_mem_get(&mem, 1)); // never of anywhere else
            pk_mem_free(&mem);
            test_guarded_free(bytes, size);
        }
    }
}

TEST(memory, what_the_callers_bytes_do_not_hold_comes_from_where_they_say)
{
    char bytes[256];
    pk_mem mem;
    pk_mem_over(&mem, bytes, sizeof(bytes), test_alloc());
    long before = test_points.count;
    for (int round = 0; round < 3; round++) {
        char *first = (char *)pk_mem_get(&mem, 100);
        CHECK(first >= bytes && first + 100 <= bytes + sizeof(bytes));
        CHECK_INT(test_points.count, ==, before + round * 3);
        for (int i = 0; i < 3; i++) {
            char *more = (char *)pk_mem_get(&mem, 100000);
            REQUIRE(more && (more > bytes + sizeof(bytes) || more < bytes));
        }
        CHECK_INT(test_points.count, ==, before + round * 3 + 3);
        pk_mem_reset(&mem);
        CHECK_INT(test_alloc_live(), ==, 0);
    }
    CHECK(pk_mem_get(&mem, 1000));
    pk_mem_free(&mem);
    char *other = (char *)pk_mem_get(&mem, 10); // they are forgotten
    CHECK(other && (other < bytes || other >= bytes + sizeof(bytes)));
    pk_mem_free(&mem);
}

static void release(void *user, void *block)
{
    ++*(int *)user;
    free(block);
}

TEST(memory, adopted_blocks_are_released_once)
{
    int released = 0;
    pk_mem mem = {.alloc = test_alloc()};
    REQUIRE(pk_mem_adopt(&mem, malloc(10), release, &released));
    REQUIRE(pk_mem_get(&mem, 10));
    REQUIRE(pk_mem_adopt(&mem, malloc(10), release, &released));
    pk_mem_reset(&mem);
    CHECK_INT(released, ==, 2);
    pk_mem_free(&mem);
    CHECK_INT(released, ==, 2);
}

TEST(memory, absurd_sizes_are_refused)
{
    pk_mem mem = {.alloc = test_alloc()};
    CHECK(!pk_mem_get(&mem, SIZE_MAX));
    CHECK(!pk_mem_get(&mem, SIZE_MAX - 15));
    pk_str huge = {"", SIZE_MAX};
    CHECK(!pk_mem_dup(&mem, huge).ptr);
    size_t n;
    CHECK(!pk__size_add(SIZE_MAX, 1, &n) && !pk__size_mul(SIZE_MAX / 2, 3, &n) && pk__size_mul(SIZE_MAX, 0, &n));
    pk_mem_free(&mem);
}

TEST(memory, text_is_formatted_and_copied_with_a_nul)
{
    pk_mem mem = {.alloc = test_alloc()};
    pk_str s = pk_mem_printf(&mem, "%s-%d", "a", 7);
    CHECK_PK_STR(s, "a-7");
    CHECK_STR(s.ptr, "a-7");
    CHECK_STR(pk_mem_dup(&mem, PK_STR("xyz")).ptr, "xyz");
    pk_mem_free(&mem);
}

TEST(buf, grows_to_its_limit_and_then_fails_for_good)
{
    pk_buf buf;
    pk_buf_init(&buf, test_alloc(), 100);
    for (int i = 0; i < 10; i++) {
        CHECK(pk_buf_add(&buf, PK_STR("0123456789")));
    }
    CHECK_UINT(buf.len, ==, 100);
    CHECK(!pk_buf_add_char(&buf, 'x'));
    CHECK_INT(buf.failed, ==, PK_ERR_LIMIT);
    pk_buf_drop(&buf, 50);
    CHECK(!pk_buf_add_char(&buf, 'x')); // sticks
    pk_buf_clear(&buf);
    CHECK(pk_buf_printf(&buf, "%d %s", 5, "five"));
    CHECK_PK_STR(pk_buf_str(&buf), "5 five");
    pk_buf_drop(&buf, 2);
    CHECK_PK_STR(pk_buf_str(&buf), "five");
    pk_buf_free(&buf);
    pk_buf_free(&buf);
}

TEST(buf, without_memory_it_fails_and_keeps_what_it_had)
{
    pk_buf buf;
    pk_buf_init(&buf, test_alloc(), 1000);
    CHECK(pk_buf_add(&buf, PK_STR("kept")));
    test_alloc_fail_at(1);
    CHECK(!pk_buf_reserve(&buf, 900));
    CHECK_INT(buf.failed, ==, PK_ERR_NO_MEMORY);
    CHECK_PK_STR(pk_buf_str(&buf), "kept");
    pk_buf_free(&buf);
}

TEST(str, views_are_compared_and_cut)
{
    pk_str a, b;
    CHECK(pk_str_eq(PK_STR("x"), pk_str_from("x")) && !pk_str_eq(PK_STR("x"), PK_STR("xy")));
    CHECK(pk_str_eq(pk_str_from(NULL), PK_STR("")));
    CHECK(pk_str_ieq(PK_STR("Content-TYPE"), PK_STR("content-type")) && !pk_str_ieq(PK_STR("a"), PK_STR("b")));
    CHECK(pk_str_starts(PK_STR("abc"), PK_STR("ab")) && !pk_str_starts(PK_STR("a"), PK_STR("ab")));
    REQUIRE(pk_str_cut(PK_STR("a=b=c"), '=', &a, &b));
    CHECK_PK_STR(a, "a");
    CHECK_PK_STR(b, "b=c");
    CHECK(!pk_str_cut(PK_STR("abc"), '=', &a, &b));
    CHECK(!pk_str_cut(PK_STR(""), '=', &a, &b));
}
