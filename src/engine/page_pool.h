// Which pages of an engine's pools are in use, and by how many sessions.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace longhaul {

class PagePool {
 public:
  explicit PagePool(int64_t pages);
  int64_t take();              // a free page, now with one reference; Error when there is none
  void share(int64_t page);    // one reference more
  void release(int64_t page);  // one less; a page without references is free again
  int64_t references(int64_t page) const { return references_[static_cast<size_t>(page)]; }
  int64_t pages() const { return static_cast<int64_t>(references_.size()); }
  int64_t free_pages() const { return static_cast<int64_t>(free_.size()); }

 private:
  std::vector<int64_t> references_;  // [pages]
  std::vector<int64_t> free_;        // the last one is taken first
};

}  // namespace longhaul
