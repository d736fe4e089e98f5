#include "cli/program.h"

int main(int argc, char** argv) { return longhaul::run_program(argc, argv); }
