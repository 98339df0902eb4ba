/*
 * elf_image.c -- reads the few facts of an ELF file that decide whether LD_PRELOAD works on it.
 *
 * Called by object.c for our own shared object and by judge.c for the program.
 * Files are taken as hostile: every offset, size and count is compared with the
 * file's size before it is used, loops are bounded by constants, and reading is
 * by pread() into a window of fixed size. So a file that is cut short while we
 * look at it is a failed read, where a mapping would be SIGBUS. Nothing is
 * allocated.
 *
 * Only files of this machine's own word size and byte order are read beyond
 * their first bytes: no other can be served.
 */
#include "cli/elf_image.h"

#include <elf.h>
#include <endian.h>
#include <link.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WINDOW_BYTES ((size_t)64 << 10)

/* The kernel refuses larger tables of program headers. */
#define PROGRAM_HEADERS_MAX (65536 / sizeof(ElfW(Phdr)))
#define SECTIONS_MAX 65536
#define DYNAMIC_MAX 4096

/* A larger symbol or string table is not searched: nobody waits for that. */
#define TABLE_BYTES_MAX ((uint64_t)1 << 30)

#if __BYTE_ORDER == __LITTLE_ENDIAN
#define NATIVE_DATA ELFDATA2LSB
#else
#define NATIVE_DATA ELFDATA2MSB
#endif
#define NATIVE_CLASS (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32)

#if defined(__x86_64__)
#define NATIVE_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define NATIVE_MACHINE EM_AARCH64
#else
#error "elf_image.c: name this machine's e_machine here"
#endif

/* A file and the part of it that was read last. */
struct file {
	int fd;
	uint64_t size;
	uint64_t window_at;
	size_t window_length;
	char window[WINDOW_BYTES];
};

/* Does [offset, offset + length) lie within the file? */
static bool is_inside(const struct file *file, uint64_t offset, uint64_t length)
{
	return offset <= file->size && length <= file->size - offset;
}

/* The bytes [offset, offset + length) of the file, until the next call; NULL where they cannot be had. */
static const char *view(struct file *file, uint64_t offset, size_t length)
{
	size_t have = 0;

	if (length > WINDOW_BYTES || !is_inside(file, offset, length))
		return NULL;
	if (offset >= file->window_at && offset - file->window_at <= file->window_length &&
	    length <= file->window_length - (offset - file->window_at))
		return file->window + (offset - file->window_at);

	while (have < WINDOW_BYTES) {
		ssize_t got =
		    pread(file->fd, file->window + have, WINDOW_BYTES - have, (off_t)(offset + have));
		if (got <= 0)
			break;
		have += (size_t)got;
	}
	file->window_at = offset;
	file->window_length = have;
	return have >= length ? file->window : NULL;
}

static bool fetch(struct file *file, uint64_t offset, void *to, size_t length)
{
	const char *from = view(file, offset, length);

	if (from == NULL)
		return false;
	memcpy(to, from, length);
	return true;
}

/* A string that ends within [offset, end); what is longer than ELF_TEXT_MAX is cut. */
static bool fetch_text(struct file *file, uint64_t offset, uint64_t end, char *to)
{
	size_t length = ELF_TEXT_MAX;
	const char *from;

	if (offset >= end)
		return false;
	if (end - offset < length)
		length = (size_t)(end - offset);
	from = view(file, offset, length);
	if (from == NULL)
		return false;
	length = strnlen(from, length);
	memcpy(to, from, length);
	to[length] = '\0';
	return true;
}

/* Where the program's address lies in the file. */
static bool offset_of_address(
    struct file *file, const ElfW(Ehdr) * header, uint64_t address, uint64_t *offset)
{
	for (unsigned i = 0; i < header->e_phnum; i++) {
		ElfW(Phdr) segment;

		if (!fetch(file, header->e_phoff + i * sizeof segment, &segment, sizeof segment))
			return false;
		if (segment.p_type == PT_LOAD && address >= segment.p_vaddr &&
		    address - segment.p_vaddr < segment.p_filesz) {
			*offset = segment.p_offset + (address - segment.p_vaddr);
			return *offset < file->size;
		}
	}
	return false;
}

/* The runtimes that bring an allocator of their own and refuse or crash behind another. */
static const struct sanitizer {
	const char *name;
	const char *symbol;  /* defined in what has the runtime linked in */
	const char *library; /* how the runtime's shared object is called by gcc, less its ending ... */
	const char *clang;   /* ... and by clang */
} sanitizers[] = {
    {"AddressSanitizer", "__asan_init", "libasan.", "libclang_rt.asan"},
    {"ThreadSanitizer", "__tsan_init", "libtsan.", "libclang_rt.tsan"},
    {"MemorySanitizer", "__msan_init", "libmsan.", "libclang_rt.msan"},
    {"HWAddressSanitizer", "__hwasan_init", "libhwasan.", "libclang_rt.hwasan"},
    {"LeakSanitizer", "__lsan_init", "liblsan.", "libclang_rt.lsan"},
};

static bool begins_with(const char *text, const char *start)
{
	return strncmp(text, start, strlen(start)) == 0;
}

static const char *sanitizer_of_library(const char *library)
{
	for (size_t i = 0; i < ARRAY_LENGTH(sanitizers); i++)
		if (begins_with(library, sanitizers[i].library) || begins_with(library, sanitizers[i].clang))
			return sanitizers[i].name;
	return NULL;
}

/* DT_NEEDED and DT_SONAME. False where the dynamic section cannot be followed: the loader could not either. */
static bool read_dynamic(
    struct file *file, const ElfW(Ehdr) * header, const ElfW(Phdr) * segment, struct elf_facts *facts)
{
	uint64_t count = MIN(segment->p_filesz / sizeof(ElfW(Dyn)), DYNAMIC_MAX);
	uint64_t strings = 0, strings_address = 0, strings_bytes = 0;
	char text[ELF_TEXT_MAX + 1];
	ElfW(Dyn) entry;

	for (uint64_t i = 0; i < count; i++) {
		if (!fetch(file, segment->p_offset + i * sizeof entry, &entry, sizeof entry))
			return false;
		if (entry.d_tag == DT_NULL)
			break;
		if (entry.d_tag == DT_STRTAB)
			strings_address = entry.d_un.d_ptr;
		if (entry.d_tag == DT_STRSZ)
			strings_bytes = entry.d_un.d_val;
	}
	if (!offset_of_address(file, header, strings_address, &strings) ||
	    !is_inside(file, strings, strings_bytes))
		return false;

	for (uint64_t i = 0; i < count; i++) {
		if (!fetch(file, segment->p_offset + i * sizeof entry, &entry, sizeof entry))
			return false;
		if (entry.d_tag == DT_NULL)
			break;
		if (entry.d_tag != DT_NEEDED && entry.d_tag != DT_SONAME)
			continue;
		if (entry.d_un.d_val >= strings_bytes ||
		    !fetch_text(file, strings + entry.d_un.d_val, strings + strings_bytes, text))
			return false;
		if (entry.d_tag == DT_SONAME)
			strcpy(facts->soname, text);
		else if (facts->sanitizer == NULL)
			facts->sanitizer = sanitizer_of_library(text);
	}
	return true;
}

/*
 * Find a string, whole, in a table of strings. Linkers may let one string be the
 * end of another; the names looked for here are in practice not.
 */
static bool find_text(
    struct file *file, uint64_t table, uint64_t table_bytes, const char *text, uint64_t *found)
{
	char needle[32];
	size_t length = strlen(text) + 2; /* with the zero byte before it and its own */
	uint64_t at = 0;

	needle[0] = '\0';
	memcpy(needle + 1, text, length - 1);
	while (table_bytes - at >= length) {
		size_t part = (size_t)MIN(table_bytes - at, WINDOW_BYTES);
		const char *bytes = view(file, table + at, part);
		const char *hit;

		if (bytes == NULL)
			return false;
		hit = memmem(bytes, part, needle, length);
		if (hit != NULL) {
			*found = at + (uint64_t)(hit - bytes) + 1;
			return true;
		}
		at += part - (length - 1);
	}
	return false;
}

/* Does the symbol table define (not merely refer to) the name that starts at this offset of its strings? */
static bool is_defined(struct file *file, const ElfW(Shdr) * table, uint64_t name)
{
	ElfW(Sym) symbol;

	for (uint64_t at = 0; table->sh_size - at >= sizeof symbol; at += sizeof symbol) {
		if (!fetch(file, table->sh_offset + at, &symbol, sizeof symbol))
			return false;
		if (symbol.st_name == name && symbol.st_shndx != SHN_UNDEF)
			return true;
	}
	return false;
}

static bool defines(
    struct file *file, const ElfW(Shdr) * symbols, const ElfW(Shdr) * strings, const char *name)
{
	uint64_t found;

	return find_text(file, strings->sh_offset, strings->sh_size, name, &found) &&
	       is_defined(file, symbols, found);
}

static bool is_searchable(const struct file *file, const ElfW(Shdr) * section)
{
	return section->sh_size <= TABLE_BYTES_MAX && is_inside(file, section->sh_offset, section->sh_size);
}

/* Symbol tables are found by section headers, which a program may lack: then there is nothing to find. */
static void read_symbols(struct file *file, const ElfW(Ehdr) * header, struct elf_facts *facts)
{
	unsigned count = MIN(header->e_shnum, SECTIONS_MAX);

	if (header->e_shentsize != sizeof(ElfW(Shdr)) || header->e_shoff > file->size)
		return;
	for (unsigned i = 0; i < count; i++) {
		ElfW(Shdr) symbols, strings;

		if (!fetch(file, header->e_shoff + i * sizeof symbols, &symbols, sizeof symbols))
			return;
		if (symbols.sh_type != SHT_DYNSYM && symbols.sh_type != SHT_SYMTAB)
			continue;
		if (symbols.sh_link >= count || !is_searchable(file, &symbols) ||
		    !fetch(
			file, header->e_shoff + symbols.sh_link * sizeof strings, &strings, sizeof strings) ||
		    strings.sh_type != SHT_STRTAB || !is_searchable(file, &strings))
			continue;

		for (size_t s = 0; s < ARRAY_LENGTH(sanitizers) && facts->sanitizer == NULL; s++)
			if (defines(file, &symbols, &strings, sanitizers[s].symbol))
				facts->sanitizer = sanitizers[s].name;
		if (symbols.sh_type == SHT_DYNSYM && defines(file, &symbols, &strings, "malloc"))
			facts->has_own_malloc = true;
	}
}

static enum elf_kind read_native(struct file *file, struct elf_facts *facts)
{
	ElfW(Ehdr) header;
	bool is_good = true;

	if (!fetch(file, 0, &header, sizeof header))
		return ELF_DAMAGED;
	facts->is_shared = header.e_type == ET_DYN;
	facts->is_program = header.e_type == ET_DYN || header.e_type == ET_EXEC;
	if (!facts->is_program)
		return ELF_NATIVE;
	if (header.e_phentsize != sizeof(ElfW(Phdr)) || header.e_phnum == 0 ||
	    header.e_phnum > PROGRAM_HEADERS_MAX ||
	    !is_inside(file, header.e_phoff, header.e_phnum * sizeof(ElfW(Phdr))))
		return ELF_DAMAGED;

	for (unsigned i = 0; i < header.e_phnum && is_good; i++) {
		ElfW(Phdr) segment;

		if (!fetch(file, header.e_phoff + i * sizeof segment, &segment, sizeof segment))
			return ELF_DAMAGED;
		if (segment.p_type != PT_INTERP && segment.p_type != PT_DYNAMIC)
			continue;
		if (!is_inside(file, segment.p_offset, segment.p_filesz))
			return ELF_DAMAGED;
		if (segment.p_type == PT_INTERP)
			is_good = fetch_text(file, segment.p_offset, segment.p_offset + segment.p_filesz,
				      facts->interpreter) &&
				  facts->interpreter[0] != '\0';
		else
			is_good = read_dynamic(file, &header, &segment, facts);
	}
	if (!is_good)
		return ELF_DAMAGED;
	read_symbols(file, &header, facts);
	return ELF_NATIVE;
}

void elf_read(int fd, struct elf_facts *facts)
{
	struct file file;
	struct stat stat;
	unsigned char
	    start[EI_NIDENT + 4]; /* up to and with e_machine, which all classes have in one place */

	memset(facts, 0, sizeof *facts);
	if (fstat(fd, &stat) != 0 || !S_ISREG(stat.st_mode) || stat.st_size < SELFMAG)
		return;
	file.fd = fd;
	file.size = (uint64_t)stat.st_size;
	file.window_at = 0;
	file.window_length = 0;
	if (!fetch(&file, 0, start, SELFMAG) || memcmp(start, ELFMAG, SELFMAG) != 0)
		return;

	facts->kind = ELF_DAMAGED;
	if (!fetch(&file, 0, start, sizeof start))
		return;
	facts->bits = start[EI_CLASS] == ELFCLASS64 ? 64 : start[EI_CLASS] == ELFCLASS32 ? 32 : 0;
	facts->machine = start[EI_DATA] == ELFDATA2MSB ? start[EI_NIDENT + 2] * 256U + start[EI_NIDENT + 3]
						       : start[EI_NIDENT + 3] * 256U + start[EI_NIDENT + 2];
	if (start[EI_CLASS] != NATIVE_CLASS || start[EI_DATA] != NATIVE_DATA ||
	    facts->machine != NATIVE_MACHINE)
		facts->kind = ELF_FOREIGN;
	else
		facts->kind = read_native(&file, facts);
}

unsigned elf_native_machine(void)
{
	return NATIVE_MACHINE;
}

const char *elf_machine_name(unsigned machine)
{
	static const struct {
		unsigned machine;
		const char *name;
	} names[] = {
	    {EM_386, "i386"}, {EM_X86_64, "x86-64"}, {EM_ARM, "ARM"}, {EM_AARCH64, "AArch64"},
	    {EM_MIPS, "MIPS"}, {EM_PPC, "PowerPC"}, {EM_PPC64, "PowerPC 64"}, {EM_S390, "S/390"},
	    {EM_SPARCV9, "SPARC V9"}, {EM_RISCV, "RISC-V"},
	    {258, "LoongArch"}, /* EM_LOONGARCH; not in every <elf.h> */
	};

	for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
		if (names[i].machine == machine)
			return names[i].name;
	return NULL;
}
