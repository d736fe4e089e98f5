# Parquet corpora, an optional component: Arrow C++ out of a pyarrow wheel. LH_ARROW_ROOT is the folder of a pyarrow package, or OFF;
# without it, the one that tools/setup.sh put into .arrow, beside torch, or none.
if(NOT DEFINED LH_ARROW_ROOT)
  foreach(folder "${CMAKE_SOURCE_DIR}/.arrow/pyarrow" "${LH_TORCH_ROOT}/../pyarrow")
    if(NOT lh_arrow_root AND EXISTS "${folder}/include/parquet/file_reader.h")
      set(lh_arrow_root "${folder}")
    endif()
  endforeach()
elseif(LH_ARROW_ROOT)
  set(lh_arrow_root "${LH_ARROW_ROOT}")
endif()
set(lh_arrow_libraries "")
if(lh_arrow_root)
  foreach(library parquet arrow)  # the wheel has no names without a version
    file(GLOB found "${lh_arrow_root}/lib${library}.so.[0-9]*")
    list(LENGTH found count)
    if(NOT count EQUAL 1)
      message(FATAL_ERROR "LH_ARROW_ROOT: wanted one ${lh_arrow_root}/lib${library}.so.N, found ${count}")
    endif()
    list(APPEND lh_arrow_libraries "${found}")
  endforeach()
  # For the one file that asks for it: the wheel's headers pull in a good part of Arrow.
  file(GLOB lh_arrow_sources src/data/*_parquet.cpp)
  set_source_files_properties(${lh_arrow_sources} PROPERTIES
    COMPILE_DEFINITIONS LH_WITH_PARQUET COMPILE_OPTIONS "-isystem;${lh_arrow_root}/include")
endif()
