/*
 * site_frames.c -- a site's frames: which modules they are in, and the id that follows from that.
 *
 * Called by sites.c under LOCK_sites. Takes no lock, allocates nothing.
 */
#include "track/sites.h"

/* Attribute what is not yet. False: some frame is in no module that is known. */
bool site_attribute(struct site *site)
{
	bool is_whole = true;

	for (unsigned i = 0; i < site->frame_count; i++) {
		struct site_frame *frame = &site->frames[i];
		unsigned module;

		if (frame->module != MODULE_NONE)
			continue;
		module = modules_find(frame->pc);
		if (module == MODULE_NONE) {
			is_whole = false;
			continue;
		}
		frame->offset = frame->pc - modules_at(module)->bias;
		frame->module = (uint16_t)module;
	}
	return is_whole;
}

void site_give_id(struct site *site)
{
	uint64_t id = site->is_overflow;

	for (unsigned i = 0; i < site->frame_count; i++) {
		const struct site_frame *frame = &site->frames[i];

		if (frame->module != MODULE_NONE)
			id = modules_hash_u64(id, modules_at(frame->module)->identity);
		/* Of an overflow row only the module counts. */
		if (!site->is_overflow)
			id = modules_hash_u64(id, frame->offset);
	}
	STORE_RELAXED(&site->id, id != 0 ? id : 1);
}
