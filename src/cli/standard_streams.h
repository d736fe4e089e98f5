// Standard input and output as others may have left them: closed, or pipes that do not block, of which stdio would lose a part.
#pragma once
#include <cstdio>

namespace longhaul {

// A descriptor that was closed would be the next file's, and what is printed would be written into that. Opened so that reads and
// writes fail as before.
void keep_standard_descriptors();

// A stream that writes to the descriptor and waits where this has no room. Fully buffered; does not close it.
std::FILE* waiting_output(int descriptor);

// Makes standard output such a stream; a terminal's is written line by line.
void wait_for_standard_output();
// The stream that it was, for who asks it for its descriptor.
std::FILE* plain_standard_output();

}  // namespace longhaul
