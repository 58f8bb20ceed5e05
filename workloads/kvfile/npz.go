package kvfile

import (
	"archive/zip"
	"fmt"
	"io"
	"sort"
	"strings"

	"kvgauge/compressors/kv"
)

// sideNames are the names under which tools save the sides of a cache.
var sideNames = [2][]string{
	kv.K: {"k", "in_k", "key", "keys", "k_cache", "key_cache"},
	kv.V: {"v", "in_v", "value", "values", "v_cache", "value_cache"},
}

// readNpz reads a cache from numpy's .npz: a zip file, stored or deflated, of .npy members.
func readNpz(f io.ReaderAt, size int64, o Options) (kv.Tensor, error) {
	z, err := zip.NewReader(f, size)
	if err != nil {
		return kv.Tensor{}, fmt.Errorf("is not a whole .npz: %w", err)
	}
	members := map[string]*zip.File{}
	for _, m := range z.File {
		name := strings.TrimSuffix(m.Name, ".npy")
		if members[name] != nil {
			return kv.Tensor{}, fmt.Errorf("member %.40q stands twice", m.Name)
		}
		members[name] = m
	}
	var sides [2]*array
	for _, side := range kv.Sides {
		if sides[side], err = findMember(members, side); err != nil {
			return kv.Tensor{}, err
		}
	}
	if sides[kv.K] == nil {
		return kv.Tensor{}, fmt.Errorf("no array named k (or %s); has %s",
			strings.Join(sideNames[kv.K][1:], ", "), list(members))
	}
	return assemble(sides[kv.K], sides[kv.V], o.limit(size), o)
}

// findMember returns the one member that holds side, or nil.
func findMember(members map[string]*zip.File, side kv.Side) (*array, error) {
	var found *zip.File
	for _, name := range sideNames[side] {
		m := members[name]
		switch {
		case m == nil:
		case found != nil:
			return nil, fmt.Errorf("both %s and %s could hold side %v: want one", found.Name, m.Name, side)
		default:
			found = m
		}
	}
	if found == nil {
		return nil, nil
	}
	a, err := parseMember(found)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", found.Name, err)
	}
	return a, nil
}

// parseMember reads a member's header. The member says how long it is once unpacked; that it is
// so, reading finds out.
func parseMember(m *zip.File) (*array, error) {
	r, err := m.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	a, at, err := parseNpyHeader(r, m.Name)
	if err != nil {
		return nil, err
	}
	n, err := a.elements()
	if err != nil {
		return nil, err
	}
	want := uint64(at + n*a.elem.size())
	if m.UncompressedSize64 != want {
		return nil, fmt.Errorf("%d bytes, want %d for shape %v in %v",
			m.UncompressedSize64, want, a.shape, a.elem)
	}
	a.open = func() (io.Reader, error) {
		r, err := m.Open()
		if err != nil {
			return nil, err
		}
		if _, err := io.CopyN(io.Discard, r, at); err != nil {
			return nil, err
		}
		return &toTheEnd{r: r, left: n * a.elem.size()}, nil
	}
	return a, nil
}

// toTheEnd hands out left bytes and, with the last of them, reads on to the end of the member,
// which is where the zip reader compares the checksum.
type toTheEnd struct {
	r    io.ReadCloser
	left int64
}

func (t *toTheEnd) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	if t.left -= int64(n); t.left > 0 || (err != nil && err != io.EOF) {
		return n, err
	}
	var one [1]byte
	if k, err := t.r.Read(one[:]); k != 0 || err != io.EOF {
		if err == nil || err == io.EOF {
			err = fmt.Errorf("more bytes than the member says")
		}
		return 0, err
	}
	return n, t.r.Close()
}

func list(members map[string]*zip.File) string {
	names := make([]string, 0, len(members))
	for name := range members {
		names = append(names, fmt.Sprintf("%.40q", name))
	}
	sort.Strings(names)
	if len(names) > 8 {
		names = append(names[:8], "…")
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// writeNpz writes k.npy and, where there are values, v.npy into a stored zip.
func (c content) writeNpz(w io.Writer) error {
	z := zip.NewWriter(w)
	for _, side := range kv.Sides {
		if c.Dim(side) == 0 {
			continue
		}
		m, err := z.CreateHeader(&zip.FileHeader{Name: side.String() + ".npy", Method: zip.Store})
		if err != nil {
			return err
		}
		if err := c.writeNpy(m, side); err != nil {
			return err
		}
	}
	return z.Close()
}
