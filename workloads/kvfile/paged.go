package kvfile

import (
	"encoding/binary"
	"fmt"
	"io"
	"strconv"

	"kvgauge/compressors/kv"
	"kvgauge/internal/outfile"
	"kvgauge/internal/weights/safetensors"
)

// A paged file holds a cache as vLLM's workers do: one tensor "layer.N" a layer, of shape
// [2, blocks, block, heads, dim] with keys first, in which token i of the request is slot
// i mod block of block i div block. A cache without values and with one head, the latent of
// multi-head latent attention, is [blocks, block, dim]. The last block is filled up with zeros;
// metadata tokens says how many slots count. Blocks lie in the order of the request: whoever
// dumps a live cache applies the block table first.

// maxBlock bounds the tokens of a block, so that padding cannot outgrow a cache.
const maxBlock = 1 << 16

// WritePaged writes t in blocks of that many tokens as safetensors. Keys and values must have one
// head dimension; without values there must be one head.
func WritePaged(path string, t kv.Tensor, block int) error {
	if block < 1 || block > maxBlock {
		return fmt.Errorf("block size is %d, want 1 to %d tokens", block, maxBlock)
	}
	if t.ValueDim == 0 && t.Heads != 1 {
		return fmt.Errorf("a cache of %d heads has no values: vLLM's layout has none for it", t.Heads)
	}
	if t.ValueDim != 0 && t.ValueDim != t.KeyDim {
		return fmt.Errorf("keys have %d channels and values %d: vLLM's layout wants them equal",
			t.KeyDim, t.ValueDim)
	}
	meta := map[string]string{metaLayout: "vllm", metaTokens: strconv.Itoa(t.Tokens),
		metaBlockSize: strconv.Itoa(block)}
	if err := appendMeta(meta, t, nil); err != nil {
		return err
	}
	entries := make([]safetensors.Entry, t.Layers)
	for l := range entries {
		entries[l] = pagedLayer(t, l, block)
	}
	return outfile.Write(path, func(w io.Writer) error { return safetensors.Write(w, meta, entries) })
}

// layerName is the tensor of one layer.
func layerName(l int) string { return "layer." + strconv.Itoa(l) }

// pagedShape returns the shape of a layer's tensor.
func pagedShape(s kv.Shape, block int) []int {
	blocks := (s.Tokens + block - 1) / block
	if s.ValueDim == 0 {
		return []int{blocks, block, s.KeyDim}
	}
	return []int{2, blocks, block, s.Heads, s.KeyDim}
}

func pagedLayer(t kv.Tensor, l, block int) safetensors.Entry {
	shape := pagedShape(t.Shape, block)
	n := 2
	for _, d := range shape {
		n *= d
	}
	e := safetensors.Entry{Name: layerName(l), DType: content{Tensor: t}.dtypeName(), Shape: shape,
		Data: make([]byte, n)}
	half := len(e.Data) / 2
	for _, side := range kv.Sides {
		if t.Dim(side) == 0 {
			continue
		}
		from := e.Data[int(side)*half:]
		for h := range t.Heads {
			for i := range t.Tokens {
				at := 2 * (i*t.Heads + h) * t.KeyDim
				for c, b := range t.Row(side, l, h, i) {
					binary.LittleEndian.PutUint16(from[at+2*c:], b)
				}
			}
		}
	}
	return e
}

// readPaged reads what WritePaged writes, in any type.
func readPaged(st *safetensors.File, limit int64, o Options) (kv.Tensor, error) {
	layers := len(st.Tensors)
	tokens, err := strconv.Atoi(st.Metadata[metaTokens])
	if err != nil || tokens < 0 {
		return kv.Tensor{}, fmt.Errorf("metadata tokens is %.40q, want how many tokens the blocks hold",
			st.Metadata[metaTokens])
	}
	first, ok := st.Tensor(layerName(0))
	if !ok {
		return kv.Tensor{}, fmt.Errorf("no tensor named %s: want one for each layer", layerName(0))
	}
	s, err := pagedHead(first, layers, tokens)
	if err != nil {
		return kv.Tensor{}, err
	}
	a, err := arrayOf(st, first)
	if err != nil {
		return kv.Tensor{}, err
	}
	d := a.elem.dtype(o)
	// A layer is read whole, its padding included, before its tokens are put in place.
	if need := int64(s.RawBytes()) + 2*first.Elements(); need > limit {
		return kv.Tensor{}, fmt.Errorf("a cache of %v in %v takes %d bytes, more than the %d allowed: "+
			"raise --max-bytes if that is right", s, d, need, limit)
	}
	meta, err := parseMeta(st.Metadata, tokens)
	if err != nil {
		return kv.Tensor{}, err
	}
	if o.head {
		return withMeta(kv.Tensor{Shape: s, DType: d}, meta, a.elem, o)
	}
	t := kv.New(s, d)
	want := first
	flat := make([]uint16, first.Elements())
	for l := range layers {
		x, ok := st.Tensor(layerName(l))
		if !ok || x.DType != want.DType || fmt.Sprint(x.Shape) != fmt.Sprint(want.Shape) {
			return kv.Tensor{}, fmt.Errorf("%s: want a tensor of shape %v and type %s, as %s is",
				layerName(l), want.Shape, want.DType, want.Name)
		}
		if err := readValues(flat, st.Section(x), a.elem, d); err != nil {
			return kv.Tensor{}, fmt.Errorf("%s: %w", x.Name, err)
		}
		unpage(t, l, flat)
	}
	return withMeta(t, meta, a.elem, o)
}

// pagedHead takes the cache's shape from the first layer.
func pagedHead(x safetensors.Tensor, layers, tokens int) (kv.Shape, error) {
	s := kv.Shape{Layers: layers, Heads: 1, Tokens: tokens}
	d := x.Shape
	var blocks, block int
	switch {
	case len(d) == 5 && d[0] == 2:
		blocks, block, s.Heads, s.KeyDim, s.ValueDim = d[1], d[2], d[3], d[4], d[4]
	case len(d) == 3:
		blocks, block, s.KeyDim = d[0], d[1], d[2]
	default:
		return s, fmt.Errorf("%s: shape %v, want [2, blocks, block, heads, head_dim] or "+
			"[blocks, block, dim]", x.Name, d)
	}
	if err := s.Check(); err != nil {
		return s, err
	}
	if block < 1 || block > maxBlock || blocks != (tokens+block-1)/block {
		return s, fmt.Errorf("%s: %d blocks of %d tokens for %d tokens", x.Name, blocks, block, tokens)
	}
	return s, nil
}

// unpage puts one layer's slots in place.
func unpage(t kv.Tensor, l int, flat []uint16) {
	half := len(flat) / 2
	for _, side := range kv.Sides {
		if t.Dim(side) == 0 {
			continue
		}
		from := flat[int(side)*half:]
		for h := range t.Heads {
			for i := range t.Tokens {
				at := (i*t.Heads + h) * t.KeyDim
				copy(t.Row(side, l, h, i), from[at:])
			}
		}
	}
}
