package nprand

// Constants of the hash by which SeedSequence spreads entropy over its pool.
const (
	initA, multA = 0x43b0d7e5, 0x931e8875
	initB, multB = 0x8b51f9dd, 0x58f38ded
	mixL, mixR   = 0xca01f9dd, 0x4973f715
	poolSize     = 4
)

// seedState turns entropy into the four words that seed PCG64, as numpy's SeedSequence does:
// state high and low, then sequence high and low.
func seedState(entropy []uint32) [4]uint64 {
	pool := seedPool(entropy)
	var words [8]uint32
	h := uint32(initB)
	for i := range words {
		x := pool[i%poolSize] ^ h
		h *= multB
		x *= h
		words[i] = x ^ x>>16
	}
	var out [4]uint64
	for i := range out {
		out[i] = uint64(words[2*i]) | uint64(words[2*i+1])<<32
	}
	return out
}

func seedPool(entropy []uint32) [poolSize]uint32 {
	h := uint32(initA)
	hash := func(x uint32) uint32 {
		x ^= h
		h *= multA
		x *= h
		return x ^ x>>16
	}
	mix := func(x, y uint32) uint32 {
		z := x*mixL - y*mixR
		return z ^ z>>16
	}
	var pool [poolSize]uint32
	for i := range pool {
		if i < len(entropy) {
			pool[i] = hash(entropy[i])
		} else {
			pool[i] = hash(0)
		}
	}
	for src := range pool {
		for dst := range pool {
			if src != dst {
				pool[dst] = mix(pool[dst], hash(pool[src]))
			}
		}
	}
	for _, word := range entropy[min(poolSize, len(entropy)):] {
		for dst := range pool {
			pool[dst] = mix(pool[dst], hash(word))
		}
	}
	return pool
}
