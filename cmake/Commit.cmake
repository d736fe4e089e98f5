# generated/commit.h: the commit that is built. A script, which every build runs: -DSOURCE=<checkout> -DOUTPUT=<file>. The file is
# written only when it changes.
cmake_minimum_required(VERSION 3.25)
execute_process(COMMAND git -C "${SOURCE}" describe --always --dirty --tags
  OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
if(failed)
  set(commit "unknown")
endif()
file(CONFIGURE OUTPUT "${OUTPUT}" @ONLY CONTENT "#pragma once
#define LH_COMMIT \"@commit@\"
")
