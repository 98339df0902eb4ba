/*
 * test_elf_image.c -- the ELF reader on good, cut and changed files.
 *
 * The good file is this program itself: what the reader says of it is compared
 * with what the loader mapped. The others are made of it in memory. Best run
 * under AddressSanitizer too, where a read past a buffer is not survived.
 */
#include <elf.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <fcntl.h>
#include <unistd.h>

#include "cli/elf_image.h"

static unsigned count;
static bool has_failed;

static void ok(bool is_so, const char *name)
{
	printf("%sok %u - %s\n", is_so ? "" : "not ", ++count, name);
	if (!is_so)
		has_failed = true;
}

static unsigned char *original;
static size_t original_bytes;
static int scratch;

static bool load_self(void)
{
	int fd = open("/proc/self/exe", O_RDONLY);
	struct stat stat_of;

	if (fd < 0 || fstat(fd, &stat_of) != 0)
		return false;
	original_bytes = (size_t)stat_of.st_size;
	original = malloc(original_bytes);
	scratch = memfd_create("scratch", 0);
	return original != NULL && scratch >= 0 &&
	       read(fd, original, original_bytes) == (ssize_t)original_bytes;
}

static void read_bytes(const unsigned char *bytes, size_t length, struct elf_facts *facts)
{
	if (ftruncate(scratch, 0) != 0 || pwrite(scratch, bytes, length, 0) != (ssize_t)length)
		exit(99);
	elf_read(scratch, facts);
}

/* Whatever the file, the texts end and the kind is one of the four. */
static bool is_sane(const struct elf_facts *facts)
{
	return strnlen(facts->interpreter, sizeof facts->interpreter) < sizeof facts->interpreter &&
	       strnlen(facts->soname, sizeof facts->soname) < sizeof facts->soname &&
	       facts->kind <= ELF_NATIVE;
}

static int find_interpreter(struct dl_phdr_info *info, size_t size, void *data)
{
	(void)size;
	for (int i = 0; i < info->dlpi_phnum; i++)
		if (info->dlpi_phdr[i].p_type == PT_INTERP)
			*(const char **)data = (const char *)(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr);
	return 1; /* the first one is the program */
}

static void test_own_file(void)
{
	const char *mapped = NULL;
	struct elf_facts facts;

	dl_iterate_phdr(find_interpreter, &mapped);
	read_bytes(original, original_bytes, &facts);
	ok(facts.kind == ELF_NATIVE && facts.is_program, "this program is a native program");
	ok(mapped != NULL && strcmp(facts.interpreter, mapped) == 0,
	    "its loader is the one that it was mapped with");
	ok(facts.machine == elf_native_machine() && facts.bits == 8 * sizeof(void *),
	    "its machine is this one");
	ok(!facts.has_own_malloc, "a malloc that it only calls is not its own");
}

static void test_cut(size_t from, size_t to, size_t step, const char *name)
{
	const ElfW(Ehdr) *header = (const void *)original;
	const ElfW(Phdr) *segments = (const void *)(original + header->e_phoff);
	size_t dynamic_end = 0;
	struct elf_facts facts;
	bool is_good = true;

	for (unsigned i = 0; i < header->e_phnum; i++)
		if (segments[i].p_type == PT_DYNAMIC)
			dynamic_end = segments[i].p_offset + segments[i].p_filesz;
	for (size_t length = from; length <= to && length <= original_bytes; length += step) {
		read_bytes(original, length, &facts);
		if (length < SELFMAG)
			is_good &= facts.kind == ELF_NOT;
		else if (length < dynamic_end)
			is_good &= facts.kind == ELF_DAMAGED;
		is_good &= is_sane(&facts);
		if (!is_good) {
			printf("# cut to %zu bytes: kind %d\n", length, (int)facts.kind);
			break;
		}
	}
	ok(is_good && dynamic_end > 0, name);
}

/* Each byte of [from, to) in turn becomes each of a few others. */
static void test_changed(size_t from, size_t to, const char *name)
{
	static const unsigned char others[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
	bool is_good = to <= original_bytes;
	struct elf_facts facts;

	if (ftruncate(scratch, 0) != 0 ||
	    pwrite(scratch, original, original_bytes, 0) != (ssize_t)original_bytes)
		exit(99);
	for (size_t at = from; at < to && is_good; at++) {
		for (size_t i = 0; i < sizeof others && is_good; i++) {
			if (pwrite(scratch, &others[i], 1, (off_t)at) != 1)
				exit(99);
			elf_read(scratch, &facts);
			is_good = is_sane(&facts);
		}
		if (pwrite(scratch, &original[at], 1, (off_t)at) != 1)
			exit(99);
	}
	ok(is_good, name);
}

static void test_changed_tables(void)
{
	const ElfW(Ehdr) *header = (const void *)original;
	const ElfW(Phdr) *segments = (const void *)(original + header->e_phoff);
	size_t sections = header->e_shoff;

	test_changed(0, sizeof *header, "any byte of the file header may be wrong");
	test_changed(header->e_phoff, header->e_phoff + header->e_phnum * sizeof *segments,
	    "any byte of the program headers may be wrong");
	for (unsigned i = 0; i < header->e_phnum; i++)
		if (segments[i].p_type == PT_DYNAMIC)
			test_changed(segments[i].p_offset, segments[i].p_offset + segments[i].p_filesz,
			    "any byte of the dynamic section may be wrong");
	test_changed(sections, sections + header->e_shnum * sizeof(ElfW(Shdr)),
	    "any byte of the section headers may be wrong");
}

/* A fixed generator: a failure comes again. */
static uint32_t next_random(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

static void test_many_changes(void)
{
	size_t length = MIN(original_bytes, (size_t)4096);
	unsigned char *bytes = malloc(original_bytes);
	uint32_t state = 20260131;
	struct elf_facts facts;
	bool is_good = bytes != NULL;

	for (unsigned round = 0; round < 3000 && is_good; round++) {
		memcpy(bytes, original, original_bytes);
		for (unsigned i = 0; i < 1 + round % 16; i++)
			bytes[EI_NIDENT + 4 + next_random(&state) % (length - EI_NIDENT - 4)] =
			    (unsigned char)next_random(&state);
		read_bytes(bytes, original_bytes, &facts);
		is_good = is_sane(&facts);
	}
	ok(is_good, "several bytes of the first page may be wrong at once");
	free(bytes);
}

static void test_foreign(void)
{
	unsigned char start[EI_NIDENT + 4] = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2MSB, EV_CURRENT};
	struct elf_facts facts;

	start[EI_NIDENT + 3] = EM_S390;
	read_bytes(start, sizeof start, &facts);
	ok(facts.kind == ELF_FOREIGN && facts.machine == EM_S390 && facts.bits == 64,
	    "a file of the other byte order is told by its machine");
	ok(strcmp(elf_machine_name(EM_S390), "S/390") == 0 && elf_machine_name(0xfffe) == NULL,
	    "machines have names, or none");
}

static void test_odd_descriptors(void)
{
	struct elf_facts facts;
	int ends[2];

	elf_read(-1, &facts);
	ok(facts.kind == ELF_NOT, "a closed descriptor is no ELF file");
	if (pipe(ends) != 0)
		exit(99);
	elf_read(ends[0], &facts); /* must not block */
	ok(facts.kind == ELF_NOT, "a pipe is no ELF file, and is not waited for");
	close(ends[0]);
	close(ends[1]);
}

int main(void)
{
	if (!load_self()) {
		puts("Bail out! /proc/self/exe cannot be read");
		return 1;
	}
	test_own_file();
	test_cut(0, 4096, 1, "a file cut at every length up to 4 KiB is not taken for whole");
	test_cut(4096, original_bytes, 37, "a file cut anywhere is read without harm");
	test_changed_tables();
	test_many_changes();
	test_foreign();
	test_odd_descriptors();
	printf("1..%u\n", count);
	return has_failed;
}
