package kern

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// panel is how many rows of a Matrix lie interleaved: the columns of one register tile, or half
// of those of an AVX-512 one.
const panel = 16

// A Matrix is a matrix W of float32, packed for products x·Wᵀ: panels of 16 rows, in each the 16
// values of column 0, then those of column 1, and so on. Rows that pad the last panel are zero.
// Every kernel reads this layout, so there is one copy whatever the processor.
type Matrix struct {
	rows, cols int
	data       []float32
}

// NewMatrix returns a matrix of zeros.
func NewMatrix(rows, cols int) *Matrix {
	return &Matrix{rows, cols, make([]float32, (rows+panel-1)/panel*panel*cols)}
}

// Rows returns the number of rows.
func (m *Matrix) Rows() int { return m.rows }

// Cols returns the length of a row.
func (m *Matrix) Cols() int { return m.cols }

// Bytes returns the memory that the matrix takes.
func (m *Matrix) Bytes() int { return 4 * len(m.data) }

// SetRows copies len(src)/Cols rows to row from and those after it. Calls for different panels
// may be concurrent: let from be a multiple of 16.
func (m *Matrix) SetRows(from int, src []float32) {
	for r := from; len(src) > 0; {
		dst := m.data[r/panel*panel*m.cols+r%panel:]
		n := 1
		if r%panel == 0 && len(src) >= panel*m.cols {
			n = panel
			interleave(dst, src, m.cols)
		} else {
			for k, v := range src[:m.cols] {
				dst[k*panel] = v
			}
		}
		r += n
		src = src[n*m.cols:]
	}
}

// interleave sets dst[k*16+r] = src[r*cols+k] for 16 rows.
func interleave(dst, src []float32, cols int) {
	from := 0
	if level >= AVX2 && cols >= 8 {
		from = cols &^ 7
		_, _ = dst[from*panel-1], src[panel*cols-1]
		interleave16(dst, src, cols, from)
	}
	for k := from; k < cols; k++ {
		for r := range panel {
			dst[k*panel+r] = src[r*cols+k]
		}
	}
}

// Row copies row i to dst, of length Cols.
func (m *Matrix) Row(i int, dst []float32) {
	src := m.data[i/panel*panel*m.cols+i%panel:]
	for k := range dst[:m.cols] {
		dst[k] = src[k*panel]
	}
}

// Grow makes room for rows in all, keeping what is there.
func (m *Matrix) Grow(rows int) {
	need := (rows + panel - 1) / panel * panel * m.cols
	if need > len(m.data) {
		if need > cap(m.data) {
			bigger := make([]float32, need, max(need, 3*len(m.data)/2))
			copy(bigger, m.data)
			m.data = bigger
		} else {
			old := len(m.data)
			m.data = m.data[:need]
			clear(m.data[old:])
		}
	}
	m.rows = max(m.rows, rows)
}

// Truncate forgets the rows from rows on.
func (m *Matrix) Truncate(rows int) {
	m.rows = min(m.rows, rows)
	m.data = m.data[:(m.rows+panel-1)/panel*panel*m.cols]
	for r := m.rows; r%panel != 0; r++ {
		dst := m.data[r/panel*panel*m.cols+r%panel:]
		for k := range m.cols {
			dst[k*panel] = 0
		}
	}
}

// blockBytes is how much of x passes over all panels before the next rows are taken, so that it
// stays in the second-level cache.
const blockBytes = 512 << 10

// blockRows returns into blocks of how many rows n rows are cut: equal ones, of whole tiles.
func blockRows(n, cols int) int {
	most := max(maxTile, blockBytes/(4*cols+1)/maxTile*maxTile)
	blocks := (n + most - 1) / most
	return ((n+blocks-1)/blocks + maxTile - 1) / maxTile * maxTile
}

// Mul sets dst[i*ldd+j] to row i of x times row j of the matrix, for n rows of x that lie ldx apart
// and all rows j. It uses every processor. Each element is one sum over the columns in order, so
// a row of dst depends on its row of x alone: not on n, not on how the work was shared.
func (m *Matrix) Mul(dst []float32, ldd int, x []float32, ldx, n int) {
	if n == 0 || m.rows == 0 {
		return
	}
	panels := (m.rows + panel - 1) / panel
	block := blockRows(n, m.cols)
	// A task is a block of rows and a run of panels with enough work to be worth a goroutine.
	run := max(2, min(panels, 1<<17/(min(n, block)*m.cols*panel+1)))
	run += run & 1 // even, for the 32-column kernels
	runs := (panels + run - 1) / run
	blocks := (n + block - 1) / block
	Parallel(runs*blocks, func(task int) {
		r0 := task / runs * block
		r1 := min(n, r0+block)
		c0 := task % runs * run * panel
		c1 := min(m.rows, c0+run*panel)
		m.MulSerial(dst[r0*ldd+c0:], ldd, x[r0*ldx:], ldx, r1-r0, c0, c1)
	})
}

// MulSerial sets dst[i*ldd+j-from] to row i of x times row j of the matrix, for n rows of x that
// lie ldx apart and from ≤ j < to, from a multiple of 16. It uses the calling goroutine only.
func (m *Matrix) MulSerial(dst []float32, ldd int, x []float32, ldx, n, from, to int) {
	b := m.data[from*m.cols:]
	gemm(dst, ldd, x, ldx, n, b, panel, panel*m.cols, to-from, m.cols)
}

// MulNN sets dst[i*ldd+j] = Σ x[i*ldx+l]·b[l*ldb+j] for n rows i, cols columns j and l < k, in order
// of l: the product with a matrix as it lies. It uses the calling goroutine only.
func MulNN(dst []float32, ldd int, x []float32, ldx, n int, b []float32, ldb, cols, k int) {
	gemm(dst, ldd, x, ldx, n, b, ldb, panel, cols, k)
}

// Parallel calls do(0) … do(n-1), on every processor, and returns when all have returned.
func Parallel(n int, do func(task int)) {
	workers := min(n, runtime.GOMAXPROCS(0))
	if workers <= 1 {
		for i := range n {
			do(i)
		}
		return
	}
	var next atomic.Int64
	work := func() {
		for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
			do(i)
		}
	}
	var wg sync.WaitGroup
	for range workers - 1 {
		wg.Go(work)
	}
	work()
	wg.Wait()
}

// gemm computes tiles of dst. Column j of b is at b[j/16*step+j%16], and k rows lie ldb apart. Where
// a tile is wider than what is left of dst, it goes through a buffer.
func gemm(dst []float32, ldd int, x []float32, ldx, n int, b []float32, ldb, step, cols, k int) {
	if n == 0 || cols == 0 {
		return
	}
	if k == 0 {
		for i := range n {
			clear(dst[i*ldd : i*ldd+cols])
		}
		return
	}
	for j := 0; j < cols; {
		wide := 1
		if level == AVX512 && cols-j >= 2*panel {
			wide = 2
		}
		for i := 0; i < n; {
			tile := tileRows(n-i, wide)
			d, xs, bs := dst[i*ldd+j:], x[i*ldx:], b[j/panel*step:]
			if cols-j >= wide*panel {
				gemmTile(d, ldd, xs, ldx, bs, ldb, step, k, tile, wide)
			} else {
				gemmEdge(d, ldd, xs, ldx, bs, ldb, step, k, tile, cols-j)
			}
			i += tile
		}
		j += wide * panel
	}
}

// gemmEdge computes a tile of fewer than 16 columns. What b has beyond them must be readable, or
// is taken as zero.
func gemmEdge(dst []float32, ldd int, x []float32, ldx int, b []float32, ldb, step, k, tile, cols int) {
	var out [maxTile * panel]float32
	if len(b) < (k-1)*ldb+panel { // a narrow matrix as it lies: its last row ends early
		padded := make([]float32, k*panel)
		for l := range k {
			copy(padded[l*panel:], b[l*ldb:l*ldb+cols])
		}
		b, ldb, step = padded, panel, 0
	}
	gemmTile(out[:], panel, x, ldx, b, ldb, step, k, tile, 1)
	for i := range tile {
		copy(dst[i*ldd:i*ldd+cols], out[i*panel:])
	}
}

// maxTile is the height of the highest tile.
const maxTile = 12

// gemmGeneric is the reference of one tile of 16 columns: every product is rounded before it is added,
// so that it gives the same bits on every machine.
func gemmGeneric(dst []float32, ldd int, x []float32, ldx int, b []float32, ldb, k, tile int) {
	for i := 0; i < tile; i += 2 {
		two := i+1 < tile
		x0 := x[i*ldx : i*ldx+k]
		x1 := x0
		if two {
			x1 = x[(i+1)*ldx : (i+1)*ldx+k]
		}
		for j := 0; j < panel; j += 4 {
			var s0, s1, s2, s3, t0, t1, t2, t3 float32
			for l, v := range x0 {
				w := x1[l]
				c := (*[4]float32)(b[l*ldb+j:])
				s0 += float32(v * c[0])
				s1 += float32(v * c[1])
				s2 += float32(v * c[2])
				s3 += float32(v * c[3])
				t0 += float32(w * c[0])
				t1 += float32(w * c[1])
				t2 += float32(w * c[2])
				t3 += float32(w * c[3])
			}
			*(*[4]float32)(dst[i*ldd+j:]) = [4]float32{s0, s1, s2, s3}
			if two {
				*(*[4]float32)(dst[(i+1)*ldd+j:]) = [4]float32{t0, t1, t2, t3}
			}
		}
	}
}
