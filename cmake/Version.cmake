# What a result file says about the build: generated/version.h. Rewritten only when it changes.
execute_process(COMMAND git -C "${CMAKE_SOURCE_DIR}" describe --always --dirty --tags
  OUTPUT_VARIABLE lh_commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE lh_rc)
if(NOT lh_rc EQUAL 0)
  set(lh_commit "unknown")
endif()
set(lh_flags "${CMAKE_CXX_FLAGS}")
if(CMAKE_BUILD_TYPE)
  string(TOUPPER "${CMAKE_BUILD_TYPE}" lh_type)
  string(APPEND lh_flags " ${CMAKE_CXX_FLAGS_${lh_type}}")
endif()
string(STRIP "${lh_flags}" lh_flags)
file(CONFIGURE OUTPUT "${CMAKE_BINARY_DIR}/generated/version.h" @ONLY CONTENT
"#pragma once
#define LH_VERSION \"@PROJECT_VERSION@\"
#define LH_COMMIT \"@lh_commit@\"
#define LH_COMPILER \"@CMAKE_CXX_COMPILER_ID@ @CMAKE_CXX_COMPILER_VERSION@\"
#define LH_FLAGS \"@lh_flags@\"
#define LH_BUILD_TYPE \"@CMAKE_BUILD_TYPE@\"
")
