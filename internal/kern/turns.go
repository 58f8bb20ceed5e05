package kern

// turnPanel is how many columns of a Turn lie together.
const turnPanel = 16

// A Turn is a square matrix that rows of float32 are multiplied by, such as a rotation, in panels of
// 16 columns (the last may have fewer), in each row after row.
type Turn struct {
	dim    int
	panels []float32
}

// NewTurn returns the matrix m of dim × dim numbers, row after row.
func NewTurn(dim int, m []float32) *Turn {
	t := &Turn{dim, make([]float32, 0, dim*dim)}
	for at := 0; at < dim; at += turnPanel {
		end := min(at+turnPanel, dim)
		for k := range dim {
			t.panels = append(t.panels, m[k*dim+at:k*dim+end]...)
		}
	}
	return t
}

// Apply sets every row of dst to the sum over k, in order, of src[k] times row k of the matrix, each
// product rounded before it is added. dst and src have equal length, of whole rows, and do not
// overlap.
func (t *Turn) Apply(dst, src []float32) {
	dim := t.dim
	rows := len(src) / dim
	dst, src = dst[:rows*dim], src[:rows*dim]
	if rows == 0 {
		return
	}
	for at := 0; at < dim; at += turnPanel {
		width := min(turnPanel, dim-at)
		panel := t.panels[at*dim : (at+width)*dim]
		if level < AVX2 || dim%turnPanel != 0 {
			for r := 0; r < len(dst); r += dim {
				turnGeneric(dst[r+at:r+at+width], src[r:r+dim], panel)
			}
			continue
		}
		fours := rows &^ 3
		if fours > 0 {
			turn4x16AVX2(&dst[at], &src[0], &panel[0], dim, fours)
		}
		if fours < rows {
			turn1x16AVX2(&dst[fours*dim+at], &src[fours*dim], &panel[0], dim, rows-fours)
		}
	}
}

func turnGeneric(dst, src, panel []float32) {
	clear(dst)
	for _, x := range src {
		row := panel[:len(dst)]
		panel = panel[len(dst):]
		for i, y := range row {
			dst[i] += float32(x * y)
		}
	}
}
