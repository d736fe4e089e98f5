// The program behind main(): parses, sets threads, runs one command, turns errors into one line and exit code 2.
#pragma once

extern "C" int longhaul_run_program(int argc, char** argv);  // main() finds it by this name
