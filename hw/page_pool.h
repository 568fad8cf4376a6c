/* Images of a machine's RAM and ROM at different times, kept in memory, that share the pages they
 * have in common: a history of many moments takes little more than what changed between them.
 *
 * Taking one compares RAM with the image before it, page by page, and putting one back compares
 * again and copies what differs; so RAM stays the machine's own memory and nothing watches its
 * writes. One thread. */
#ifndef METIC_HW_PAGE_POOL_H
#define METIC_HW_PAGE_POOL_H

#include "cpu/base/error.h"
#include "cpu/memory.h"

struct page_pool;

struct page_image {
    u32 *pages; /* numbers in the pool, of all pages of all regions in order; 0: zeros */
    size_t count;
};

struct page_pool *page_pool_new(void); /* NULL: no memory */
void page_pool_free(struct page_pool *pool); /* with all images; NULL allowed */

/* What memory holds now; `like` is the image it will resemble most, or NULL. While nobody touches
 * memory, as below. False with a reason, and no image. */
bool page_pool_take(struct page_pool *pool, struct memory *memory, const struct page_image *like,
                    struct page_image *image, struct metic_error *error);
/* Makes memory what it was. Blocks made from pages that change are removed. */
void page_pool_put(const struct page_pool *pool, struct memory *memory,
                   const struct page_image *image);
void page_pool_drop(struct page_pool *pool, struct page_image *image);

/* Of all images' pages, and their lists. */
u64 page_pool_bytes(const struct page_pool *pool);

#endif
