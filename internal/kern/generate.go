package kern

// The assembly is written by the generators of the nested module asmgen, which alone needs avo.
//go:generate -command avo go -C asmgen run
//go:generate avo ./sgemm -pkg kern -out ../sgemm_amd64.s -stubs ../sgemm_stubs_amd64.go
//go:generate avo ./vexp -pkg kern -out ../vexp_amd64.s -stubs ../vexp_stubs_amd64.go
//go:generate avo ./half -pkg kern -out ../half_amd64.s -stubs ../half_stubs_amd64.go
//go:generate avo ./ggml -pkg kern -out ../ggml_amd64.s -stubs ../ggml_stubs_amd64.go
//go:generate avo ./interleave -pkg kern -out ../interleave_amd64.s -stubs ../interleave_stubs_amd64.go
//go:generate avo ./divergence -pkg kern -out ../divergence_amd64.s -stubs ../divergence_stubs_amd64.go
//go:generate avo ./exponents -pkg kern -out ../exponents_amd64.s -stubs ../exponents_stubs_amd64.go
//go:generate avo ./stream -pkg kern -out ../stream_amd64.s -stubs ../stream_stubs_amd64.go
//go:generate avo ./exponents512 -pkg kern -out ../exponents512_amd64.s -stubs ../exponents512_stubs_amd64.go
//go:generate avo ./micro512 -pkg kern -out ../micro512_amd64.s -stubs ../micro512_stubs_amd64.go
//go:generate avo ./planes -pkg kern -out ../planes_amd64.s -stubs ../planes_stubs_amd64.go
//go:generate avo ./rans -pkg kern -out ../rans_amd64.s -stubs ../rans_stubs_amd64.go
//go:generate avo ./huff -pkg kern -out ../huff_amd64.s -stubs ../huff_stubs_amd64.go
//go:generate avo ./moments -pkg kern -out ../moments_amd64.s -stubs ../moments_stubs_amd64.go
//go:generate avo ./float8 -pkg kern -out ../float8_amd64.s -stubs ../float8_stubs_amd64.go
//go:generate avo ./doubles -pkg kern -out ../doubles_amd64.s -stubs ../doubles_stubs_amd64.go
//go:generate avo ./grids -pkg kern -out ../grids_amd64.s -stubs ../grids_stubs_amd64.go
//go:generate avo ./hadamard512 -pkg kern -out ../hadamard512_amd64.s -stubs ../hadamard512_stubs_amd64.go
//go:generate avo ./books -pkg kern -out ../books_amd64.s -stubs ../books_stubs_amd64.go
//go:generate avo ./turns -pkg kern -out ../turns_amd64.s -stubs ../turns_stubs_amd64.go
//go:generate avo ./bits -pkg kern -out ../bits_amd64.s -stubs ../bits_stubs_amd64.go
//go:generate avo ./polar -pkg kern -out ../polar_amd64.s -stubs ../polar_stubs_amd64.go
//go:generate avo ./grids512 -pkg kern -out ../grids512_amd64.s -stubs ../grids512_stubs_amd64.go
//go:generate avo ./latent -pkg kern -out ../latent_amd64.s -stubs ../latent_stubs_amd64.go
//go:generate avo ./ecsq -pkg kern -out ../ecsq_amd64.s -stubs ../ecsq_stubs_amd64.go
//go:generate avo ./symbols -pkg kern -out ../symbols_amd64.s -stubs ../symbols_stubs_amd64.go
