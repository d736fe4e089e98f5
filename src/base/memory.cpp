#include "base/memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <new>

namespace longhaul {

namespace {

constexpr uintptr_t kHugePage = uintptr_t{2} << 20;

}  // namespace

std::unique_ptr<std::byte[], FreeMemory> new_stream_memory(int64_t bytes) {
  constexpr uintptr_t kLine = 64;
  const uintptr_t size = (static_cast<uintptr_t>(std::max<int64_t>(bytes, 1)) + kLine - 1) / kLine * kLine;
  void* memory = nullptr;
  if (posix_memalign(&memory, size >= kHugePage ? kHugePage : kLine, size) != 0) throw std::bad_alloc();
  prefer_huge_pages(memory, static_cast<int64_t>(size));
  return std::unique_ptr<std::byte[], FreeMemory>(static_cast<std::byte*>(memory));
}

void prefer_huge_pages(void* memory, int64_t bytes) {
  const auto first = reinterpret_cast<uintptr_t>(memory);
  const uintptr_t begin = (first + kHugePage - 1) / kHugePage * kHugePage;
  const uintptr_t end = (first + static_cast<uintptr_t>(bytes)) / kHugePage * kHugePage;
  if (begin < end) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
}

}  // namespace longhaul
