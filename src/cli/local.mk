# All of the command but main() is an archive, so that unit tests can link it:
# tests_unit_test_elf_LDADD = libcli.a $(LDADD)
