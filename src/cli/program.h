// The program behind main(): parses, sets threads, runs one command, turns errors into one line and exit code 2.
#pragma once

namespace longhaul {
int run_program(int argc, char** argv);
}
