#include "engine/page_pool.h"

#include "base/error.h"

namespace longhaul {

PagePool::PagePool(int64_t pages) : references_(static_cast<size_t>(pages), 0) {
  for (int64_t page = pages - 1; page >= 0; --page) free_.push_back(page);
}

int64_t PagePool::take() {
  check(!free_.empty(), "page pool: all ", pages(), " pages are in use");
  const int64_t page = free_.back();
  free_.pop_back();
  references_[static_cast<size_t>(page)] = 1;
  return page;
}

void PagePool::share(int64_t page) { ++references_[static_cast<size_t>(page)]; }

void PagePool::release(int64_t page) {
  if (--references_[static_cast<size_t>(page)] == 0) free_.push_back(page);
}

}  // namespace longhaul
