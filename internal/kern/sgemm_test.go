package kern

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func floats(seed uint64, n int) []float32 {
	r := rand.New(rand.NewPCG(seed, 7))
	out := make([]float32, n)
	for i := range out {
		out[i] = float32(r.Float64()*2 - 1)
	}
	return out
}

// eachLevel runs f with every set of instructions that this machine has.
func eachLevel(t *testing.T, f func(t *testing.T)) {
	for l := Generic; l <= detect(); l++ {
		t.Run(l.String(), func(t *testing.T) {
			defer SetLevel(l)()
			f(t)
		})
	}
}

var shapes = []struct{ n, rows, cols int }{
	{1, 1, 1}, {1, 16, 5}, {3, 17, 4}, {7, 31, 9}, {13, 64, 32}, {25, 48, 576}, {100, 33, 64}, {12, 96, 64}, {11, 15, 3},
}

func TestMulIsTheProduct(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		for _, s := range shapes {
			w, x := floats(1, s.rows*s.cols), floats(2, s.n*s.cols)
			m := NewMatrix(s.rows, s.cols)
			m.SetRows(0, w)
			got := make([]float32, s.n*s.rows)
			m.Mul(got, s.rows, x, s.cols, s.n)
			for i := range s.n {
				for j := range s.rows {
					var want, scale float64
					for k := range s.cols {
						p := float64(x[i*s.cols+k]) * float64(w[j*s.cols+k])
						want, scale = want+p, scale+math.Abs(p)
					}
					if d := math.Abs(float64(got[i*s.rows+j]) - want); d > 1e-6*scale {
						t.Fatalf("%v: element %d, %d is %g, want %g", s, i, j, got[i*s.rows+j], want)
					}
				}
			}
		}
	})
}

func TestRowsDoNotDependOnEachOther(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		const n, rows, cols = 203, 80, 100
		x := floats(3, n*cols)
		m := NewMatrix(rows, cols)
		m.SetRows(0, floats(4, rows*cols))
		all := make([]float32, n*rows)
		m.Mul(all, rows, x, cols, n)
		for _, i := range []int{0, 1, 11, 12, 95, 96, n - 1} {
			one := make([]float32, rows)
			m.Mul(one, rows, x[i*cols:(i+1)*cols], cols, 1)
			if !slices.Equal(one, all[i*rows:(i+1)*rows]) {
				t.Errorf("row %d alone differs from row %d of %d", i, i, n)
			}
		}
	})
}

func TestLevelsWithFMAGiveTheSameBits(t *testing.T) {
	if detect() < AVX512 {
		t.Skip("needs AVX-512 to compare with AVX2")
	}
	for _, s := range shapes {
		x := floats(5, s.n*s.cols)
		m := NewMatrix(s.rows, s.cols)
		m.SetRows(0, floats(6, s.rows*s.cols))
		var got [2][]float32
		for i, l := range []Level{AVX2, AVX512} {
			restore := SetLevel(l)
			got[i] = make([]float32, s.n*s.rows)
			m.Mul(got[i], s.rows, x, s.cols, s.n)
			restore()
		}
		if !slices.Equal(got[0], got[1]) {
			t.Errorf("%v: AVX2 and AVX-512 differ", s)
		}
	}
}

func TestMulNNAndStrides(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		for _, cols := range []int{1, 6, 16, 40, 64, 80} {
			const n, k, pad = 9, 21, 3
			x, b := floats(8, n*(k+pad)), floats(9, k*cols)
			got := make([]float32, n*(cols+pad))
			MulNN(got, cols+pad, x, k+pad, n, b, cols, cols, k)
			m := NewMatrix(cols, k)
			row := make([]float32, k)
			for j := range cols {
				for l := range k {
					row[l] = b[l*cols+j]
				}
				m.SetRows(j, row)
			}
			want := make([]float32, n*(cols+pad))
			m.MulSerial(want, cols+pad, x, k+pad, n, 0, cols)
			if !slices.Equal(got, want) {
				t.Errorf("%d columns: MulNN differs from the packed product", cols)
			}
		}
	})
}

func TestMatrixKeepsItsRows(t *testing.T) {
	const rows, cols = 37, 5
	w := floats(10, rows*cols)
	m := NewMatrix(0, cols)
	for r := range rows {
		m.Grow(r + 1)
		m.SetRows(r, w[r*cols:(r+1)*cols])
	}
	m.Truncate(20)
	m.Grow(25)
	got := make([]float32, cols)
	for r := range 25 {
		want := w[r*cols : (r+1)*cols]
		if r >= 20 {
			want = make([]float32, cols)
		}
		if m.Row(r, got); !slices.Equal(got, want) {
			t.Errorf("row %d is %v, want %v", r, got, want)
		}
	}
}

func TestSetRowsAtOnceIsRowByRow(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		for _, cols := range []int{1, 7, 8, 9, 40, 67} {
			w := floats(20, 50*cols)
			whole, single := NewMatrix(50, cols), NewMatrix(50, cols)
			whole.SetRows(0, w)
			for r := range 50 {
				single.SetRows(r, w[r*cols:(r+1)*cols])
			}
			if !slices.Equal(whole.data, single.data) {
				t.Errorf("%d columns: rows set at once differ", cols)
			}
		}
	})
}

func TestMulOfNothing(t *testing.T) {
	NewMatrix(4, 4).Mul(nil, 4, nil, 4, 0)
	got := []float32{7}
	MulNN(got, 1, nil, 0, 1, nil, 1, 1, 0)
	if got[0] != 0 {
		t.Errorf("an empty sum is %g", got[0])
	}
}

func BenchmarkMul(b *testing.B) {
	for _, s := range []struct{ n, rows, cols int }{
		{512, 1536, 576}, {512, 576, 1536}, {20, 1536, 576}, {20, 49152, 576}, {1, 1536, 576}, {1, 49152, 576},
	} {
		for l := Generic; l <= detect(); l++ {
			b.Run(fmt.Sprintf("%dx%dx%d/%v", s.n, s.cols, s.rows, l), func(b *testing.B) {
				defer SetLevel(l)()
				m := NewMatrix(s.rows, s.cols)
				m.SetRows(0, floats(11, s.rows*s.cols))
				x, dst := floats(12, s.n*s.cols), make([]float32, s.n*s.rows)
				for b.Loop() {
					m.Mul(dst, s.rows, x, s.cols, s.n)
				}
				flop := 2 * float64(s.n) * float64(s.rows) * float64(s.cols)
				b.ReportMetric(flop*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
			})
		}
	}
}
