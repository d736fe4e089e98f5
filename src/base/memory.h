// Memory that is read as one long stream.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>

namespace longhaul {

struct FreeMemory {
  void operator()(void* memory) const { std::free(memory); }
};

// At least so many bytes from a cache line on, not cleared, in huge pages where the system gives them. std::bad_alloc.
std::unique_ptr<std::byte[], FreeMemory> new_stream_memory(int64_t bytes);

// Asks for huge pages under memory that nobody has touched yet: a stream through it then meets few page walks. Advice: small pages do too.
void prefer_huge_pages(void* memory, int64_t bytes);

}  // namespace longhaul
