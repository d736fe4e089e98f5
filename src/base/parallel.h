// Independent pieces of work on threads of our own, for code that has no LibTorch.
#pragma once
#include <cstddef>
#include <functional>

namespace longhaul {

// Calls work(i) for every i < count on `threads` threads, each taking the next i when it is free. Goes on after an error; the
// first one is the caller's.
void for_each_index(size_t count, int threads, const std::function<void(size_t)>& work);

}  // namespace longhaul
