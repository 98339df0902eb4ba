/*
 * test_size_class.c -- the arithmetic of the size classes, at every boundary.
 */
#include "pool/size_class.h"
#include "run_suite.h"

START_TEST(a_class_covers_what_it_serves_and_the_one_before_does_not)
{
	/* Every size up to 256 KiB, and every page boundary with its neighbours above. */
	for (size_t size = 1; size <= SIZE_CLASS_MAX_BYTES; size += size < 256 * KIB ? 1 : 4095) {
		for (size_t near = size; near <= size + 2 && near <= SIZE_CLASS_MAX_BYTES; near++) {
			unsigned class = size_class_of(near);
			ck_need(class < SIZE_CLASSES);
			ck_need(size_class_bytes(class) >= near);
			if (class == 0)
				continue;
			ck_need(size_class_bytes(class - 1) < near);
		}
		if (size >= 256 * KIB && size % PAGE_BYTES != 0)
			size = ROUND_UP(size, PAGE_BYTES);
	}
}
END_TEST

START_TEST(every_boundary_of_a_class_is_exact)
{
	for (unsigned class = 0; class < SIZE_CLASSES; class ++) {
		size_t bytes = size_class_bytes(class);
		if (class > 0)
			ck_need(bytes > size_class_bytes(class - 1));
		ck_need(size_class_of(bytes) == class);
		ck_need(size_class_of(bytes - 1) == class);
		if (bytes < SIZE_CLASS_MAX_BYTES)
			ck_need(size_class_of(bytes + 1) > class);
	}
	ck_need(size_class_bytes(SIZE_CLASSES - 1) == SIZE_CLASS_MAX_BYTES);
	ck_need(size_class_of(1) == 0);
}
END_TEST

START_TEST(classes_grow_with_size)
{
	unsigned last = 0;
	for (size_t size = 1; size <= SIZE_CLASS_MAX_BYTES; size += size < MIB ? 1 : 511) {
		unsigned class = size_class_of(size);
		ck_need(class >= last);
		last = class;
	}
}
END_TEST

START_TEST(rounding_costs_at_most_an_eighth_from_eight_pages_on)
{
	for (size_t size = 32 * KIB + 1; size <= SIZE_CLASS_MAX_BYTES; size += 509) {
		size_t pages = ROUND_UP(size, PAGE_BYTES);
		ck_need(size_class_bytes(size_class_of(size)) <= pages + pages / 8);
	}
}
END_TEST

START_TEST(what_is_whole_pages_is_never_a_slab)
{
	for (unsigned class = 0; class < SIZE_CLASSES; class ++) {
		size_t bytes = size_class_bytes(class);
		ck_need(size_class_is_slab(class) == (bytes < 16 * KIB && bytes % PAGE_BYTES != 0));
		ck_need(bytes % size_class_alignment(class) == (bytes > 16 * KIB ? bytes % PAGE_BYTES : 0));
		if (!size_class_is_slab(class))
			ck_need(size_class_pages(class) == (bytes + PAGE_BYTES - 1) / PAGE_BYTES);
	}
}
END_TEST

START_TEST(slabs_waste_nothing_and_a_page_holds_one_start_at_most)
{
	unsigned slabs = 0;
	for (unsigned class = 0; class < SIZE_CLASSES; class ++) {
		if (!size_class_is_slab(class))
			continue;
		size_t bytes = size_class_bytes(class), slots = size_class_slab_slots(class);
		slabs++;
		ck_need(slots * bytes == size_class_slab_pages(class) * PAGE_BYTES);
		for (size_t slot = 1; slot < slots; slot++)
			ck_need(slot * bytes / PAGE_BYTES > (slot - 1) * bytes / PAGE_BYTES);
		ck_need((slots - 1) * bytes / PAGE_BYTES < size_class_slab_pages(class) - 1);
		for (size_t slot = 0; slot < slots; slot++)
			ck_need(slot * bytes % size_class_alignment(class) == 0);
	}
	ck_need(slabs == 7 + 6);
}
END_TEST

START_TEST(the_class_within_is_the_largest_that_fits)
{
	for (uint32_t pages = 1; pages <= SIZE_CLASS_MAX_BYTES >> PAGE_SHIFT; pages++) {
		unsigned class = size_class_within(pages);
		ck_need(class < SIZE_CLASSES);
		ck_need(size_class_bytes(class) <= pages * PAGE_BYTES);
		if (class + 1 < SIZE_CLASSES)
			ck_need(size_class_bytes(class + 1) > pages * PAGE_BYTES);
		/* A run never passes for a slot of a slab. */
		ck_need(!size_class_is_slab(class));
	}
}
END_TEST

static void add_tests(TCase *tests)
{
	tcase_set_timeout(tests, 30);
	tcase_add_test(tests, a_class_covers_what_it_serves_and_the_one_before_does_not);
	tcase_add_test(tests, every_boundary_of_a_class_is_exact);
	tcase_add_test(tests, classes_grow_with_size);
	tcase_add_test(tests, rounding_costs_at_most_an_eighth_from_eight_pages_on);
	tcase_add_test(tests, what_is_whole_pages_is_never_a_slab);
	tcase_add_test(tests, slabs_waste_nothing_and_a_page_holds_one_start_at_most);
	tcase_add_test(tests, the_class_within_is_the_largest_that_fits);
}

int main(void)
{
	return run_suite("size_class", add_tests);
}
