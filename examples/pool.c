/*
 * pool.c -- copies standard input to standard output through a pool, and says on stderr how that went.
 *
 *     cc pool.c $(pkg-config --cflags --libs weir) -o pool
 *     ./pool </etc/services >/dev/null
 */
#include <stdio.h>
#include <unistd.h>
#include <weir.h>

/* One buffer's worth. Returns what read(2) did, or -1. */
static ssize_t copy_some(struct weir_pool *pool)
{
	struct weir_buffer buffer;
	ssize_t length, written = 0;
	int error = weir_pool_allocate(pool, 64 * 1024, &buffer);

	if (error != WEIR_OK) {
		fprintf(stderr, "pool: %s\n", weir_strerror(error));
		return -1;
	}
	length = read(STDIN_FILENO, buffer.data, buffer.capacity);
	while (length > 0 && written < length) {
		ssize_t n = write(STDOUT_FILENO, (char *)buffer.data + written, (size_t)(length - written));

		if (n <= 0)
			length = -1;
		else
			written += n;
	}
	weir_pool_release(pool, buffer.id);
	return length;
}

int main(void)
{
	struct weir_pool_config config = weir_pool_config_default();
	struct weir_pool *pool;
	char health[1024];
	ssize_t length;
	int error;

	config.name = "copies";
	config.max_buffers = 8;
	error = weir_pool_create(&pool, &config);
	if (error != WEIR_OK) {
		fprintf(stderr, "pool: %s\n", weir_strerror(error));
		return 1;
	}
	do
		length = copy_some(pool);
	while (length > 0);
	weir_health_json(pool, health, sizeof(health));
	fprintf(stderr, "%s\n", health);
	weir_pool_destroy(pool);
	return length == 0 ? 0 : 1;
}
